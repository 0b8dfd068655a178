"""Compare the models of ratings with R's lme4 and ordinal: benchmarks/opinions.json.

    .venv/bin/python benchmarks/opinions.py [--limit 600]

The ratings are simulated: every listener rates every pair under every system. In one table a tenth
of the ratings is missing. The mixed model has random effects of listeners, of pairs, and of systems
within both. Its time includes the fit and the tests. lme4 fits the same model in the form that is
fastest there: an intercept for each listener, and one for each listener and system, without
derivatives and tests. ordinal::clmm fits the ordinal model. If Rscript or these packages are not
installed, the table says so. All times are CPU seconds of one thread.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from nst_lib.opinions import factorial, simulation
from nst_lib.opinions.reading import check

HERE = Path(__file__).parent
NST = Path(sys.executable).with_name("nst")
#: Numbers of listeners, pairs and systems, and the share of ratings that is missing.
TABLES = ((50, 20, 4, 0), (200, 5, 4, 0), (50, 20, 20, 0), (50, 20, 20, 0.1), (200, 5, 20, 0))
READ = """
d <- read.csv(commandArgs(TRUE)[1], stringsAsFactors=TRUE)
n <- nlevels(d$system); d$r <- factor(d$rating)
d$ls <- interaction(d$listener, d$system); d$ps <- interaction(d$pair, d$system)
contrasts(d$system) <- qr.Q(qr(cbind(1, diag(n)[,-1])))[,-1]
"""
LMER = """suppressMessages(library(lme4))
t <- system.time(m <- lmer(rating~system+(1|listener)+(1|ls)+(1|pair)+(1|ps), d,
                           control=lmerControl(calc.derivs=FALSE)))
cat(t[1]+t[2], format(REMLcrit(m), digits=15))"""
CLMM = """suppressMessages(library(ordinal))
t <- system.time(m <- clmm(r~system+(1|listener)+(1|ls)+(1|pair)+(1|ps), d))
cat(t[1]+t[2], format(as.numeric(logLik(m)), digits=15))"""


def ratings_of(listeners: int, pairs: int, systems: int, missing: float) -> pd.DataFrame:
    means = {(f"system {k:02d}",): 2.2 + 1.6 * k / (systems - 1) for k in range(systems)}
    table = simulation.simulate(means, ["system"], listeners=listeners, pairs=pairs)
    return table.sample(frac=1 - missing, random_state=0).sort_index() if missing else table


def ours(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    ratings, factors = check(table), ["system"]
    began = time.process_time()
    mixed = factorial.fit_mixed(ratings, factors)
    factorial.mixed_table(ratings, factors, mixed)
    between = time.process_time()
    ordinal = factorial.fit_ordinal(ratings, factors, mixed)
    factorial.ordinal_table(ratings, factors, ordinal)
    ended = time.process_time()
    return {
        "mixed": {"seconds": between - began, "criterion": mixed.reml},
        "ordinal": {"seconds": ended - between, "criterion": ordinal.log_likelihood},
    }


def in_r(code: str, table: pd.DataFrame, limit: int) -> dict[str, object]:
    if shutil.which("Rscript") is None:
        return {"failed": "R is not installed"}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "ratings.csv")
        table.to_csv(path, index=False)
        command = ["Rscript", "-e", READ + code, path]
        stop = partial(resource.setrlimit, resource.RLIMIT_CPU, (limit, limit))
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=stop)
    if done.returncode not in (0, 1):
        return {"failed": f"not done after {limit} s"}
    if done.returncode:
        return {"failed": "not installed" if "no package" in done.stderr else done.stderr.strip()}
    seconds, criterion = done.stdout.split()
    return {"seconds": float(seconds), "criterion": float(criterion)}


def study() -> float:
    """Return the CPU seconds of `nst mos` for two questions with the published means."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "published.csv")
        simulation.published().to_csv(path, index=False)
        command = [NST, "mos", path, "--by", ",".join(simulation.FACTORS)]
        outputs = ["--plot", path.with_suffix(".png"), "--json", path.with_suffix(".json")]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, *outputs], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cell(result: dict[str, object]) -> str:
    return str(result["failed"]) if "failed" in result else f"{result['seconds']:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=600, help="most seconds for one fit in R")
    limit = parser.parse_args().limit
    rows = []
    print("| listeners × pairs × systems | ratings | mixed | lme4 | ordinal | clmm |", flush=True)
    print("|---|---|---|---|---|---|")
    for listeners, pairs, systems, missing in TABLES:
        table = ratings_of(listeners, pairs, systems, missing)
        found = ours(table)
        found["lme4"], found["clmm"] = (in_r(code, table, limit) for code in (LMER, CLMM))
        name = f"{listeners} × {pairs} × {systems}"
        rows.append({"table": name, "ratings": len(table), **found})
        cells = " | ".join(cell(found[key]) for key in ("mixed", "lme4", "ordinal", "clmm"))
        print(f"| {name} | {len(table)} | {cells} |", flush=True)
    seconds = study()
    print(f"The published study's two questions, the whole command: {seconds:.1f} s")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}"
    record = {"machine": machine, "tables": rows, "nst mos, published study": seconds}
    (HERE / "opinions.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
