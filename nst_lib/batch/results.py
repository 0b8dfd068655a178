"""The results of a batch as one tidy table with a row for each sound.

The column "factors" names the columns that are settings, joined by "+" ("transform+pooling"; "none"
if nothing was varied). So the table can be copied or joined to other tables, and the analysis still
knows its settings. A table without this column comes from an older version or from another program.
All of its columns count as settings, except those that every batch writes.
"""

import io
import json
from typing import TYPE_CHECKING, Any

from nst_lib.batch.store import DONE, Store

if TYPE_CHECKING:
    import pandas as pd

#: Name of the file with the table.
RESULTS = "results.csv"
#: The scores of a sound, and the meaning of each. A table without the trained ear has no `EAR`.
SCORES = {
    "timbre": "0: like the content, 1: like the style",
    "texture": "0: like the content, 1: like the style",
    "rhythm": "1: like the content",
    "noise": "background noise above the noisier recording (dB)",
    "ear": "trained ear; 0: unrelated to the style, 1: like the style",
    "ear content": "trained ear; 0: unrelated to the content, 1: like the content",
}
EAR = ("ear", "ear content")
#: The column that names the columns with settings.
FACTORS = "factors"
#: The value of this column if nothing was varied.
_NONE = "none"
#: In tables that do not name their settings: columns, and beginnings of columns, without settings.
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
        The place of a batch.

    Returns
    -------
    pd.DataFrame
        Columns: id, pair, style, content, the factors, seed; the names of the factors ("factors")
        and the preset; scores; losses ("loss start" and "loss best" in the optimisation,
        "realised ..." for the final sound); "seconds ..." of each stage and of the whole notebook;
        device; and the paths of the files, relative to the store.

    Raises
    ------
    ValueError
        If the store holds no batch.
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


def scores_in(table: "pd.DataFrame") -> dict[str, str]:
    """Return the scores of which a table has a value, and the meaning of each."""
    return {
        name: about for name, about in SCORES.items() if name in table and table[name].notna().any()
    }


def settings(table: "pd.DataFrame") -> list[str]:
    """Return the columns of a table that are settings; see the docstring of the module.

    Parameters
    ----------
    table : pd.DataFrame
        A table of results.

    Returns
    -------
    list of str
        The settings, in the order of the table. "preset" is one of them; "seed" and "device" are
        not.

    Raises
    ------
    ValueError
        If the table names a setting that has no column. If the table names no settings, and a
        column is probably not a setting: it varies within a pair, and most pairs have other values.
    """
    if FACTORS not in table or table[FACTORS].isna().any():
        return _undeclared(table)
    named = {name for text in table[FACTORS].unique() for name in str(text).split("+")} - {_NONE}
    for name in sorted(named - set(table)):
        raise ValueError(f"column {FACTORS!r} names {name!r}, and the table has no such column")
    wanted = {*named, "preset"} - {"seed", "device"}
    return [name for name in map(str, table) if name in wanted]


def declare(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table that names its settings, so that other columns can be added to it."""
    return table.assign(**{FACTORS: "+".join(settings(table)) or _NONE})


def _undeclared(table: "pd.DataFrame") -> list[str]:
    """Return the settings of a table that does not name them."""
    columns = [str(name) for name in table if name not in _OTHERS]
    names = [name for name in columns if not name.startswith(_FAMILIES)]
    pairs = table["pair"].nunique() if "pair" in table else 0
    for name in names if pairs > 1 else []:
        varies = table.groupby("pair")[name].nunique().max() > 1
        if varies and table.groupby(name)["pair"].nunique().min() < max(2, pairs / 2):
            raise ValueError(
                f"column {name!r} may be a setting or not, because other pairs have other values: "
                f"add a column {FACTORS!r} that names the settings, joined by +"
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
