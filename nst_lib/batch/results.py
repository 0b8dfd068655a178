"""The results of a batch as one tidy table: a row for each sound.

The table says itself which of its columns are settings: the column "factors" names them, joined by
"+" ("transform+pooling"; "none" where nothing was varied). So a results.csv can be copied, and
joined to others, and is still analysed as what it is. A table without that column was written by
an older version or by someone else: every column of it is a setting, but for those that batches
have always written beside them.
"""

import io
import json
from typing import TYPE_CHECKING, Any

from nst_lib.batch.store import DONE, Store

if TYPE_CHECKING:
    import pandas as pd

#: File of a store.
RESULTS = "results.csv"
#: Scores that say how a sound is, with what each means.
SCORES = {
    "timbre": "0: the content's, 1: the style's",
    "texture": "0: the content's, 1: the style's",
    "rhythm": "1: the content's",
    "noise": "background above the louder recording (dB)",
}
#: Column that names the settings among the others.
FACTORS = "factors"
#: What it says where there are none.
_NONE = "none"
#: Columns of tables that do not name their settings, and how others begin, that are no settings.
_OTHERS = (
    *("id", "pair", "style", "content", "seed", *SCORES, "convergence", "evaluations", "outcome"),
    *("attempts", "device", "sound", "figure", "metrics", "notebook", FACTORS),
)
_FAMILIES = ("texture ", "copies ", "loss ", "realised ", "seconds ")


def collect(store: Store) -> "pd.DataFrame":
    """Return the table of all conditions of a batch that are done.

    Parameters
    ----------
    store : Store
        Of a batch.

    Returns
    -------
    pd.DataFrame
        Columns: id, pair, style, content, the factors, seed; their names ("factors") and the
        preset; scores; losses ("loss start", "loss best" of what was optimised, "realised ..." of
        the sound); "seconds ..." of each stage and of the whole notebook; device; and the paths of
        what there is, seen from the store.

    Raises
    ------
    ValueError
        If there is no batch.
    """
    import pandas as pd

    rows = []
    for condition in store.batch()["conditions"]:
        marker = store.read_json(f"runs/{condition['id']}/{DONE}")
        if marker:
            metrics = json.loads(store.read(f"runs/{condition['id']}/metrics.json"))
            rows.append(_row(condition, metrics, marker))
    return pd.DataFrame(rows)


def write(store: Store) -> "pd.DataFrame":
    """Write results.csv, and return the table."""
    table = collect(store)
    text = io.StringIO()
    table.to_csv(text, index=False)
    store.write(RESULTS, text.getvalue().encode())
    return table


def settings(table: "pd.DataFrame") -> list[str]:
    """Return the columns of a table that are settings; see the module.

    Parameters
    ----------
    table : pd.DataFrame
        Of results.

    Returns
    -------
    list of str
        In the table's order, "preset" among them; but neither "seed" nor "device": chance, and the
        machine.

    Raises
    ------
    ValueError
        If the table names a setting that it has no column of; or if it names none, and a column
        can hardly be one, since it varies within pairs and has values that most pairs have not.
    """
    if FACTORS not in table or table[FACTORS].isna().any():
        return _undeclared(table)
    named = {name for text in table[FACTORS].unique() for name in str(text).split("+")} - {_NONE}
    for name in sorted(named - set(table)):
        raise ValueError(f"column {FACTORS!r} names {name!r}, and the table has no such column")
    wanted = {*named, "preset"} - {"seed", "device"}
    return [name for name in map(str, table) if name in wanted]


def declare(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table that names its settings, so that columns can be added which are none."""
    return table.assign(**{FACTORS: "+".join(settings(table)) or _NONE})


def _undeclared(table: "pd.DataFrame") -> list[str]:
    """Return the columns that can only be settings."""
    columns = [str(name) for name in table if name not in _OTHERS]
    names = [name for name in columns if not name.startswith(_FAMILIES)]
    pairs = table["pair"].nunique() if "pair" in table else 0
    for name in names if pairs > 1 else []:
        varies = table.groupby("pair")[name].nunique().max() > 1
        if varies and table.groupby(name)["pair"].nunique().min() < max(2, pairs / 2):
            raise ValueError(
                f"column {name!r}: is it a setting? Other pairs have other values; add a column "
                f"{FACTORS!r} that names the settings, joined by +"
            )
    return names


def _row(condition: dict[str, Any], metrics: dict[str, Any], marker: dict[str, Any]) -> Any:
    losses, best = metrics["losses"], metrics["best_step"]
    run = f"runs/{condition['id']}"
    return {
        "id": condition["id"],
        "pair": condition["pair"],
        "style": condition["style"],
        "content": condition["content"],
        **{name: _cell(value) for name, value in condition["factors"].items()},
        "seed": condition["seed"],
        FACTORS: "+".join(condition["factors"]) or _NONE,
        "preset": metrics["config"]["preset"],
        **(metrics["scores"] or {}),
        "loss start": losses[0]["total"] if losses else None,
        "loss best": losses[best]["total"] if losses and best is not None else None,
        **{f"realised {name}": value for name, value in metrics["realised"].items()},
        "convergence": metrics["convergence"],
        "evaluations": len(losses),
        "outcome": metrics["outcome"],
        **{f"seconds {name}": value for name, value in metrics["seconds"].items()},
        "seconds notebook": marker["seconds"],
        "attempts": marker["attempts"],
        "device": metrics["device"],
        "sound": f"{run}/result.wav",
        "figure": f"{run}/figure.png",
        "metrics": f"{run}/metrics.json",
        "notebook": f"{run}/notebook.ipynb",
    }


def _cell(value: Any) -> Any:
    return "+".join(map(str, value)) if isinstance(value, list) else value
