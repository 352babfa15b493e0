# make sweep   a small sweep on synthetic data, from a bare machine to the exported best config
# make test    the checks, then the whole test suite
# make check   style and types      make fmt   format
# make suite   the test suite alone
# make docs    the reference pages, from the code

PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m
# pip would compile all that it installs, four files of five for nothing: Python compiles what it imports, and keeps it
# unless it is told not to, as container images do. Every process would then compile for itself: ten seconds of a launch.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(RUN) pip install --quiet --disable-pip-version-check --no-compile
IMPORT := $(BIN)/python -c 'import search.sweep.run, search.sweep.train, search.sweep.verbs'

.PHONY: sweep test suite check fmt docs
.DEFAULT_GOAL := sweep

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "posesweep needs Python 3.11 or later; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	@$(INSTALL) --upgrade pip || true  # the one that comes with Python takes twice as long
	$(INSTALL) -r requirements.txt
	@touch $@

.venv/.ready: .venv/.installed
	@$(IMPORT)  # here, not in the first sweep
	@touch $@

.venv/.tested: .venv/.installed tests/requirements.txt
	$(INSTALL) -r tests/requirements.txt
	@touch $@

sweep: .venv/.ready
	@$(RUN) data synth
	@name=$$($(BIN)/python -c 'from search.record.plan import *; print(next_name(Path(STORAGE), "graformer"))') && \
	$(RUN) search launch graformer --recipe small --data synthetic --trials 6 --epochs 6 --time-budget 100s --at-least 1 --name $$name && \
	$(RUN) search export $$name --out mlruns/sweeps/$$name/best.yaml --weights mlruns/sweeps/$$name/best.safetensors

# Both at once: the checks have use for one core only, and need nothing compiled.
test:
	@$(MAKE) --no-print-directory --jobs 2 check suite

suite: .venv/.ready .venv/.tested
	$(RUN) pytest -n 2 --dist loadscope --no-loadscope-reorder

check: .venv/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: .venv/.tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.ready
	@$(RUN) docs.generate
