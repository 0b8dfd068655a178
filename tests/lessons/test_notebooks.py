"""The notebooks keep the conventions, and every one of them runs."""

import ast
import functools
import json
import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
import soundfile as sf
from matplotlib import image

import nst_lib
from nst_lib.batch.results import EAR, FACTORS
from nst_lib.exercises import solutions
from nst_lib.features import TransferConfig
from nst_lib.opinions import comparison
from nst_lib.opinions.analysis import SIMULATED, SIMULATED_CHOICES
from nst_lib.opinions.claims import CLAIMS, CONTRADICTED, SUPPORTED, UNDECIDED, Claim, examine
from nst_lib.system import PRESETS
from tests import forked

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]

#: Small parameters for each notebook. All use simulated clips, except 08 and 09, which use tables.
SMALL: dict[str, dict[str, Any]] = {
    "00_tour": {"duration": 1.0, "steps": 8},
    "01_listen": {"duration": 1.0},
    "02_spectrograms": {"duration": 1.5, "n_iter": 2},
    "03_pictures": {"width": 48, "steps": 3, "duration": 0.5, "moved": 5},
    "04_from_scratch": {
        "channels": 16,
        "steps": 12,
        "duration": 1.0,
        "n_iter": 4,
        "limit_steps": 4,
        "interactive": False,
    },
    "05_random_features": {"duration": 1.0, "channels": 16, "shown": 4},
    "06_infinite_width": {
        "duration": 1.0,
        "channels": 16,
        "widths": [8, 16],
        "draws": 2,
        "widest": 0,
        "limit_widths": [8, 16],
        "steps": 4,
    },
    "07_transfer": {
        "channels": 16,
        "steps": 4,
        "settings": '{"sr": 22050, "duration": 1.0, "mono": true, "n_iter": 2}',
        "lasting": 20.0,
    },
    "08_starts": {"duration": 1.0, "compare": 4, "narrow": 16, "n_iter": 2},
    "09_inversion": {
        "quick": False,
        "duration": 1.0,
        "rounds": [1, 2],
        "n_iter": 2,
        "steps": 2,
    },
    "10_scores": {"duration": 1.0, "steps": 6, "unrelated": 3, "snrs": [20, 0]},
    "11_listening_test": {
        "duration": 1.0,
        "steps": 2,
        "pairs": 2,
        "listeners": 6,
        "interactive": False,
    },
    "12_mos_statistics": {"n_boot": 200, "n_sims": 3},
    "13_preferences": {"n_boot": 200},
    "14_experiment": {},
    "15_systems": {
        "quick": False,
        "dataset": "synthetic",
        "duration": 1.6,
        "steps": 4,
        "small": '{"channels": 16, "filters": 4, "n_iter": 2}',
    },
    "16_own_parts": {"duration": 1.0, "steps": 6, "interactive": False},
}


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code(name: str) -> list[Any]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def solved(name: str) -> Any:
    """Return a notebook with its solutions in the answer cells."""
    return solutions.solve(read(name), solutions.read(FOLDER / "solutions" / f"{name}.md"))


def prose(name: str) -> str:
    return "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")


def execute(name: str, out: Path, parameters: dict[str, Any], *, solve: bool = False) -> Any:
    """Run a notebook, with its solutions if `solve`; return it with its outputs.

    Papermill only warns of a parameter that the notebook lacks; here it is a ValueError.
    """
    known = papermill.inspect_notebook(str(FOLDER / f"{name}.ipynb"))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ValueError(f"{name}: parameter {', '.join(unknown)}; accepted: {', '.join(known)}")
    notebook = solved(name) if solve else read(name)
    source, target = out / f"{name}_in.ipynb", out / f"{name}.ipynb"
    nbformat.write(notebook, source)
    forked.execute(source, target, parameters, FOLDER)
    return nbformat.read(target, as_version=4)


def images(notebook: Any) -> int:
    """Count the figures that a run shows."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def check_solved(notebook: Any) -> None:
    """Check that each exercise of a run with solutions is said to be right."""
    checks = [cell for cell in notebook.cells if "check" in solutions.tags(cell)]
    assert checks
    for cell in checks:
        (output,) = cell.outputs
        assert output["data"]["text/markdown"].startswith("✓ **Right.**"), cell.source


def text(notebook: Any) -> str:
    """Return all text that a run prints or displays."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    shown = [o.get("data", {}).get("text/markdown", o.get("text", "")) for o in outputs]
    return "\n".join(shown)


def test_every_notebook_has_small_parameters() -> None:
    assert set(NAMES) == set(SMALL)


@pytest.mark.parametrize("name", NAMES)
def test_is_kept_without_outputs(name: str) -> None:
    for cell in code(name):
        assert not cell.outputs
        assert cell.execution_count is None


@pytest.mark.parametrize("name", NAMES)
def test_is_valid_and_has_cell_ids(name: str) -> None:
    raw = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in raw["cells"]]
    assert len(set(ids)) == len(ids)
    assert raw["metadata"]["kernelspec"]["name"] == "python3"
    nbformat.validate(read(name))


@pytest.mark.parametrize("name", NAMES)
def test_opens_with_title_aims_and_duration(name: str) -> None:
    first = read(name).cells[0]
    assert first.cell_type == "markdown"
    assert re.match(rf"# {int(name[:2])} · \w+", first.source)
    assert "**What you will learn**\n\n- " in first.source
    assert "**How long it takes:**" in first.source
    assert "processor time" in first.source
    assert "A busy machine takes longer." in first.source.replace("\n", " ")


def test_every_lesson_was_measured_and_takes_two_minutes_at_most() -> None:
    measured = json.loads((FOLDER.parent / "benchmarks" / "lessons.json").read_text("utf-8"))
    assert set(measured) == set(NAMES)
    checksum = runpy.run_path(str(FOLDER.parent / "benchmarks" / "lessons.py"))["checksum"]
    for name, rows in measured.items():
        assert max(row["cpu_seconds"] for row in rows.values()) <= 120
        assert max(row["figures"] for row in rows.values()) <= 15
        code = {row["code"] for row in rows.values()}
        assert code == {checksum(FOLDER / f"{name}.ipynb")}, f"{name} changed: run make lessons"


@pytest.mark.parametrize("name", NAMES)
def test_imports_come_first_and_nowhere_else(name: str) -> None:
    first, *rest = [ast.parse(cell.source) for cell in code(name)]
    assert all(isinstance(line, ast.Import | ast.ImportFrom) for line in first.body)
    for tree in rest:
        assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_typed_commented_literals(name: str) -> None:
    cells = code(name)
    tagged = [n for n, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == [1], "one parameters cell, straight after the imports"
    source = cells[1].source
    for line, statement in zip(source.splitlines(), ast.parse(source).body, strict=True):
        assert isinstance(statement, ast.AnnAssign)
        assert statement.value is not None
        ast.literal_eval(statement.value)
        assert re.search(r"  # \S", line)


@pytest.mark.parametrize("name", NAMES)
def test_papermill_sees_every_parameter(name: str) -> None:
    names = {line.target.id for line in ast.parse(code(name)[1].source).body}  # type: ignore[attr-defined]
    assert set(papermill.inspect_notebook(str(FOLDER / f"{name}.ipynb"))) == names


@pytest.mark.parametrize("name", NAMES)
def test_code_cells_are_short(name: str) -> None:
    assert max(len(cell.source.splitlines()) for cell in code(name)) <= 25


@pytest.mark.parametrize("name", NAMES)
def test_figures_have_prose_before_and_after(name: str) -> None:
    cells = read(name).cells
    kinds = [cell.cell_type for cell in cells]
    for n, cell in enumerate(cells):
        if cell.cell_type == "code" and "plt.show()" in cell.source:
            assert "markdown" in kinds[n - 2 : n]
            assert "markdown" in kinds[n + 1 : n + 3]


@pytest.mark.parametrize("name", NAMES)
def test_has_exercises_with_answer_cells_and_checks_and_reading(name: str) -> None:
    text = prose(name)
    assert "<details><summary>Solution" not in text
    _, exercises = text.split("## Exercises\n")
    exercises, reading = exercises.split("## Further reading\n")
    numbers = [int(number) for number in re.findall(r"^\*\*(\d)\. ", exercises, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 3 <= len(numbers) <= 4
    tagged = [cell for cell in code(name) if {"answer", "check"} & {*solutions.tags(cell)}]
    for n, answer, check in zip(numbers, tagged[::2], tagged[1::2], strict=True):
        assert "answer" in solutions.tags(answer)
        assert re.search(rf"^answer_{n} = \.\.\.  # \S", answer.source, re.MULTILINE)
        assert "check" in solutions.tags(check)
        assert re.match(rf"check\.\w+\(\s*answer_{n}\b", check.source)
    assert len(solutions.read(FOLDER / "solutions" / f"{name}.md")) == len(numbers)
    assert reading.count("\n- ") >= 3


@pytest.mark.parametrize("name", NAMES)
def test_is_read_in_one_sitting(name: str) -> None:
    assert len(prose(name).split()) <= 2000


#: The lesson that writes again what the library has.
FROM_SCRATCH = "04_from_scratch"
#: Methods that a user's own module or system must have.
OF_A_MODULE = {"__init__", "forward", "loss"}


@functools.cache
def definitions() -> set[str]:
    """Return the names of all functions and classes of the library."""
    return {
        node.name
        for path in Path(nst_lib.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name != FROM_SCRATCH])
def test_defines_nothing_that_the_library_has(name: str) -> None:
    programs = [cell.source for cell in solved(name).cells if cell.cell_type == "code"]
    for node in (node for program in programs for node in ast.walk(ast.parse(program))):
        if isinstance(node, ast.ClassDef) or (
            isinstance(node, ast.FunctionDef) and node.name not in OF_A_MODULE
        ):
            assert node.name not in definitions()


def test_unknown_parameter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"07_transfer: parameter chanels; accepted: content, .*"):
        execute("07_transfer", tmp_path, {"chanels": 16})
    assert not list(tmp_path.iterdir())


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("00_tour", {"dataset": "{own}"}, r"{own} is not ESC-50: set content and style"),
        (
            "07_transfer",
            {"content": "{own}/pencil.wav"},
            r"content: no file pencil\.wav in {own}, and no clip '.*' among 40 clips",
        ),
    ],
    ids=["own folder", "no such file"],
)
def test_recordings_that_are_not_there_are_said(
    name: str, parameters: dict[str, str], message: str, tmp_path: Path
) -> None:
    own = tmp_path.resolve()
    sf.write(own / "kettle.wav", np.zeros(22050), 22050)
    given = {key: value.format(own=own) for key, value in parameters.items()}
    with pytest.raises(RuntimeError, match=message.format(own=own)):
        execute(name, tmp_path, {"dataset": "synthetic", "interactive": False} | given)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("00_tour", 2),
        ("01_listen", 3),
        ("02_spectrograms", 7),
        ("03_pictures", 2),
        ("08_starts", 4),
        ("09_inversion", 5),
        ("10_scores", 7),
        ("11_listening_test", 3),
    ],
)
def test_lesson_runs_with_its_solutions(name: str, figures: int, tmp_path: Path) -> None:
    parameters = {"dataset": "synthetic", **SMALL[name]}
    run = execute(name, tmp_path, parameters, solve=True)
    check_solved(run)
    assert images(run) == figures
    assert "simulated" in text(run)


@pytest.mark.kernel
def test_tour_makes_a_page_of_own_files(tmp_path: Path, rng: np.random.Generator) -> None:
    sr, seconds = 44100, np.arange(2 * 44100) / 44100
    own = {
        "content": 0.3 * rng.standard_normal((len(seconds), 2)) * (seconds % 0.25 < 0.05)[:, None],
        "style": 0.2 * np.sin(2 * np.pi * 200 * seconds) * (1 + np.sin(2 * np.pi * 30 * seconds)),
    }
    parameters = {"interactive": False, "out": str(tmp_path / "new" / "mine.flac")}
    for role, y in own.items():
        parameters[role] = str(tmp_path / f"{role}.wav")
        sf.write(tmp_path / f"{role}.wav", y, sr)
    run = execute("00_tour", tmp_path, parameters | SMALL["00_tour"])
    outputs = [o.get("data", {}) for cell in run.cells for o in cell.get("outputs", ())]
    assert images(run) == 3
    assert "simulated" not in text(run)
    page = "".join(data.get("text/html", "") for data in outputs)
    assert page.count("<audio") == 2 + 2 + 3 + 3 + 3
    assert "<script" not in page
    assert re.search(r"A is \w+, B is \w+, C is \w+", page)
    (table,) = [data["text/plain"] for data in outputs if "frames shuffled" in data["text/plain"]]
    frames, pieces, style = map(float, re.findall(r"([\d.]+)%", table))
    assert frames == 0 < pieces < style
    y, rate = sf.read(tmp_path / "new" / "mine.flac")
    assert (rate, y.shape) == (22050, (22050,))
    record = json.loads((tmp_path / "new" / "mine.json").read_text(encoding="utf-8"))
    assert record["inputs"] == {role: parameters[role] for role in own}


@pytest.mark.kernel
def test_from_scratch_has_the_losses_of_the_library(tmp_path: Path) -> None:
    parameters = {"dataset": "synthetic", **SMALL[FROM_SCRATCH]}
    run = execute(FROM_SCRATCH, tmp_path, parameters, solve=True)
    check_solved(run)
    assert images(run) == 1
    ((largest, steps),) = re.findall(r"difference: (\S+)\*\*, over (\d+) eval", text(run))
    assert steps == "12"
    assert 0 < float(largest) < 1e-5


@pytest.mark.kernel
def test_random_features_run_with_their_solutions(tmp_path: Path) -> None:
    parameters = {"dataset": "synthetic", **SMALL["05_random_features"]}
    run = execute("05_random_features", tmp_path, parameters, solve=True)
    check_solved(run)
    assert images(run) == 6
    said = text(run)
    assert "simulated" in said
    by_hand, network = re.findall(r"by hand (\S+), network (\S+)", said)[0]
    assert float(by_hand) == pytest.approx(float(network), abs=2e-6)


@pytest.mark.kernel
def test_infinite_width_runs_and_its_identities_hold(tmp_path: Path) -> None:
    parameters = {"dataset": "synthetic", **SMALL["06_infinite_width"]}
    run = execute("06_infinite_width", tmp_path, parameters, solve=True)
    check_solved(run)
    assert images(run) == 4
    said = text(run)
    assert "simulated" in said
    ways = [float(x) for x in re.findall(r"^(?:channels|frames|library): (\S+)", said, re.M)]
    assert len(ways) == 3
    assert ways == pytest.approx([ways[0]] * 3, rel=1e-4)


def check_transfer(run: Any, out: Path, *, steps: int, samples: int, figures: int) -> None:
    """Check the sound, the record and the figure that 07_transfer wrote."""
    assert sorted(path.name for path in out.iterdir()) == [
        "figure.png",
        "result.json",
        "result.wav",
    ]
    y, sr = sf.read(out / "result.wav")
    assert (sr, y.shape) == (22050, (samples,))
    assert np.isfinite(y).all()
    assert 0 < np.abs(y).max() < 1
    record = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert TransferConfig.from_dict(record["config"]).steps == steps
    assert [row["step"] for row in record["losses"]] == list(range(steps))
    assert record["losses"][record["best_step"]]["style"] < record["losses"][0]["style"]
    assert record["realised"]["style"] > 0
    height, width, _ = image.imread(out / "figure.png").shape
    assert height > 500
    assert width > 500
    assert re.search(r"The transfer optimises 30 × \d+ = [\d,]+ gains\.", text(run))
    assert images(run) == figures


@pytest.mark.kernel
def test_transfer_runs_with_its_solutions(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    parameters = {"dataset": "synthetic", "out": str(out), **SMALL["07_transfer"]}
    run = execute("07_transfer", tmp_path, parameters, solve=True)
    check_solved(run)
    check_transfer(run, out, steps=4, samples=22050, figures=2)
    assert "simulated" in text(run)


@pytest.mark.kernel
def test_transfer_runs_on_recordings(esc50_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "deeper" / "out"
    audio = esc50_root / "audio"
    parameters = {
        "dataset": str(esc50_root),
        "content": str(min(audio.glob("*-49.wav"))),
        "style": min(audio.glob("*-28.wav")).stem,
        "out": str(out),
        **SMALL["07_transfer"],
        "pooling": "max",
    }
    run = execute("07_transfer", tmp_path, parameters)
    check_transfer(run, out, steps=4, samples=22050, figures=2)
    assert "simulated" not in text(run)
    record = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert record["config"]["pooling"] == "max"
    assert record["inputs"] == {"content": parameters["content"], "style": parameters["style"]}


@pytest.mark.kernel
def test_transfer_takes_recordings_as_they_are(tmp_path: Path, rng: np.random.Generator) -> None:
    rate, frames = 32000, 48000
    own = {"content": rng.standard_normal((frames, 2)), "style": rng.standard_normal(2 * frames)}
    parameters = {"settings": "", "lasting": 0, "steps": 2, "interactive": False}
    for role, y in own.items():
        parameters[role] = str(tmp_path / f"{role}.wav")
        sf.write(tmp_path / f"{role}.wav", 0.1 * y, rate, subtype="PCM_24")
    parameters["out"] = str(tmp_path / "out")
    execute("07_transfer", tmp_path, parameters)
    found = sf.info(tmp_path / "out" / "result.wav")
    assert (found.samplerate, found.channels, found.frames) == (rate, 2, frames)
    assert found.subtype == "PCM_24"


@pytest.mark.kernel
def test_own_parts_run_and_are_those_of_the_example_package(tmp_path: Path) -> None:
    name = "16_own_parts"
    run = execute(name, tmp_path, {"dataset": "synthetic", **SMALL[name]}, solve=True)
    check_solved(run)
    said = text(run)
    assert said.count('"__main__.') == 3
    assert len(re.findall(r'"(?:transform|network|content_term)": "[0-9a-f]{64}"', said)) == 3
    assert images(run) == 1
    package = (FOLDER.parent / "docs" / "example_system" / "own_parts.py").read_text("utf-8")
    for part in ("Modulations", "Loudness"):
        (source,) = [c.source for c in code(name) if c.source.startswith(f"class {part}(")]
        assert source in package


@pytest.mark.kernel
def test_systems_run_with_their_solutions(tmp_path: Path) -> None:
    run = execute("15_systems", tmp_path, SMALL["15_systems"], solve=True)
    check_solved(run)
    said = text(run)
    for name, entry in PRESETS.items():
        assert f"**{name}** ({entry.source})" in said
        assert re.search(rf"\b{name} -\d", said), "its level: it was run and can be heard"
    assert "simulated" in said
    assert images(run) == 2
    assert "nan" not in said


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("preset", "network"),
    [
        (
            "mital2017",
            "The network has 738,000 weights (0.003 GB). The transfer optimises 22,050",
        ),
        ("vocoder", "There is no network. Nothing is optimised."),
    ],
)
def test_transfer_runs_with_systems_of_another_shape(
    tmp_path: Path, preset: str, network: str
) -> None:
    settings = {"duration": 1.0}
    if preset != "vocoder":
        settings["channels"] = 16
    parameters = {"dataset": "synthetic", "preset": preset, "steps": 4, "lasting": 0}
    parameters |= {"out": str(tmp_path / "out"), "settings": json.dumps(settings)}
    run = execute("07_transfer", tmp_path, parameters)
    assert network in text(run)
    assert "Left out: `lasting` is 0." in text(run)
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert record["config"]["preset"] == preset
    assert record["config"]["transform"] == PRESETS[preset].config.transform
    assert np.abs(sf.read(tmp_path / "out" / "result.wav")[0]).max() > 0


@pytest.mark.kernel
def test_mos_statistics_run_with_their_solutions(tmp_path: Path) -> None:
    name = "12_mos_statistics"
    run = execute(name, tmp_path, SMALL[name], solve=True)
    check_solved(run)
    said = text(run)
    assert images(run) == 4
    assert said.startswith(f"**{SIMULATED}.**")
    faults = re.findall(r"^(.*): mine\.csv: (row \d+|no column)", said, re.M)
    assert faults == [
        ("off the scale", "row 21"),
        ("rated twice", "row 22"),
        ("misspelt", "no column"),
    ]
    assert "nan" not in said
    (coverage,) = [
        output["data"]["text/html"]
        for cell in run.cells
        for output in cell.get("outputs", ())
        if "contains the true MOS" in output.get("data", {}).get("text/html", "")
    ]
    shares = [int(share) for share in re.findall(r">(\d+)%<", coverage)]
    assert len(shares) == 4
    assert shares[0] < shares[3], "ratings as samples, and the bootstrap"
    assert shares[3] >= 75


@pytest.mark.kernel
def test_preferences_run_with_their_solutions(tmp_path: Path) -> None:
    name = "13_preferences"
    run = execute(name, tmp_path, SMALL[name], solve=True)
    check_solved(run)
    said = text(run)
    assert images(run) == 4
    assert said.startswith(f"**{SIMULATED_CHOICES}.** 540 answers, 18 listeners, 20 items")
    assert "18 listeners: their log-worths spread by" in said
    assert re.search(r"by the equations: \d+ of 192 right, p = ", said)
    assert "of random scores correlate with these 4 MOS" in said
    assert "nan" not in said


@pytest.mark.kernel
def test_mos_statistics_run_on_a_file_of_webmushra(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = [
        ("nst", f"{who:08x}", f"pair {pair}", stimulus, round(generator.normal(mean, 8)))
        for who in range(4)
        for pair in range(3)
        for stimulus, mean in (("reference", 80), ("stft", 50), ("cqt", 30))
    ]
    columns = ["session_test_id", "session_uuid", "trial_id", "rating_stimulus", "rating_score"]
    path = tmp_path / "mushra.csv"
    pd.DataFrame(rows[:-1], columns=columns).to_csv(path, index=False)
    parameters = {"ratings": str(path), "by": "stimulus", "n_boot": 200, "n_sims": 1}
    said = text(execute("12_mos_statistics", tmp_path, parameters))
    assert said.startswith(f"**ratings: {path}.**")
    assert "23 ratings, 4 listeners, 6 items" in said
    assert "'101'; accepted: a number from 0 to 100" in said
    assert SIMULATED not in said, "in words; the planning section's figure says it"


def check_experiment(run: Any, *, figures: int = 3) -> str:
    """Check the results by hand and the verdicts of 14_experiment; return its text."""
    assert images(run) == figures
    check_solved(run)
    said = text(run)
    statistics = r": ([^%]*%.*?d_z -?[\d.]+)"
    (by_hand,) = re.findall(rf"^by hand{statistics}", said, re.M)
    assert re.findall(rf"^library{statistics}", said, re.M) == [by_hand]
    ((ours, scipys),) = re.findall(r"p of the t test: (.+); SciPy's: (.+)", said)
    assert ours == scipys
    for claim in CLAIMS:
        lines = re.findall(rf"^- {claim.text}, .*: (.*)$", said, re.M)
        assert lines
        for line in lines:
            verdicts = re.findall(r"\*\*([a-z ]+)\*\* \(([a-z, ]+)\)", line)
            assert {word for word, _ in verdicts} <= {SUPPORTED, CONTRADICTED, UNDECIDED}
            assert {s for _, scores in verdicts for s in scores.split(", ")} == set(claim.scores)
    return said


@pytest.mark.kernel
def test_experiment_runs_with_its_solutions_on_the_shipped_table(tmp_path: Path) -> None:
    said = check_experiment(execute("14_experiment", tmp_path, {}, solve=True))
    assert "recorded, from ESC-50" in said
    assert "published layer weights: **" in said
    assert "balanced layer weights: **" in said


@pytest.mark.parametrize(
    ("score", "a", "b", "verdict", "told"),
    [
        ("ear", "stft", "cqt", SUPPORTED, "**The style: the ear agrees with the listeners.**"),
        ("ear content", "cqt", "stft", UNDECIDED, "**The content: it cannot be told.**"),
    ],
)
def test_experiment_tells_what_the_ear_says_of_the_shipped_tables(
    score: str, a: str, b: str, verdict: str, told: str
) -> None:
    claim = Claim("", "transform", a, b, (score,))
    for name, pairs in (("claims", 5), ("pairs", 20)):
        table = comparison.load(FOLDER / "conditions" / f"{name}.csv")
        for finding in examine(table, margins={score: 0.05}, claims=(claim,)):
            assert (finding.difference.n, finding.verdict) == (pairs, verdict)
    assert told in prose("14_experiment")


@pytest.mark.kernel
def test_experiment_runs_on_a_batch_of_other_factors_and_seeds(tmp_path: Path) -> None:
    table = pd.read_csv(FOLDER / "conditions" / "claims.csv")
    table = table[table["layer_weights"] == "published"].drop(columns="layer_weights")
    table = table.drop(columns=[FACTORS, *EAR])
    again = table.assign(seed=1, rhythm=table["rhythm"] + 0.01)
    conditions = [{}] * (2 * len(table))
    pd.concat([table, again[1:]]).to_csv(tmp_path / "results.csv", index=False)
    about = {"simulated": True, "conditions": conditions}
    (tmp_path / "batch.json").write_text(json.dumps(about), encoding="utf-8")
    run = execute("14_experiment", tmp_path, {"results": str(tmp_path)}, solve=True)
    said = check_experiment(run, figures=2)
    assert "**Left out:** this section needs a table with scores of the trained ear" in said
    assert f"{len(conditions) - 1} sounds** of {len(conditions)}" in said
    assert "simulated" in said
    assert "**seeds**: 0, 1" in said
    assert "Pooling makes no difference, all: " in said
