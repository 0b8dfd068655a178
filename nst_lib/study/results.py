"""The results of a batch as one tidy table: a row for each sound."""

import io
import json
from typing import TYPE_CHECKING, Any

from nst_lib.study.store import DONE, Store

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


def collect(store: Store) -> "pd.DataFrame":
    """Return the table of all conditions of a batch that are done.

    Parameters
    ----------
    store : Store
        Of a batch.

    Returns
    -------
    pd.DataFrame
        Columns: id, pair, style, content, the factors, seed; scores; losses ("loss start", "loss
        best" of what was optimised, "realised ..." of the sound); "seconds ..." of each stage and
        of the whole notebook; device; and the paths of what there is, seen from the store.

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
