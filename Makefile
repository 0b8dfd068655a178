# Every target does its own set-up: a fresh machine needs Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lab bench front systems lock clean
.DEFAULT_GOAL := demo

demo: $(READY)
	@$(BIN)/nst demo --out out/demo

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses auto --dist loadfile

lab: $(READY)
	$(BIN)/jupyter lab notebooks

# Into benchmarks/: published recipe and both engines (speed.json), CQT and CWT (bands.json), the study's
# grid in batch (batch.json).
bench: $(READY)
	@$(BIN)/python -W ignore benchmarks/speed.py
	@$(BIN)/python -W ignore benchmarks/bands.py
	@$(BIN)/python -W ignore benchmarks/batch.py

# The search behind the default preset (hours; NST_ESC50 names the recordings): benchmarks/front.md.
front: $(READY)
	$(BIN)/python -W ignore benchmarks/front.py

# Every preset at its published settings on one recorded pair, hours, into notebooks/conditions/systems.csv;
# what is there already is not run again.
systems: $(READY)
	$(BIN)/python -W ignore benchmarks/systems.py

# torch comes first, by itself: an open range in any other package could pull another build of it.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/pip install --quiet --requirement requirements.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	$(BIN)/pip check
	@touch $(READY)

# Renews the pins from the ranges in pyproject.toml; the local build tag of torch is no part of a pin.
lock: $(READY)
	$(BIN)/pip-compile --quiet --upgrade --extra dask --extra survey --extra docs --extra dev --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.txt pyproject.toml
	sed -i.bak 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.txt && rm requirements.txt.bak

clean:
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
