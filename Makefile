# make demo       set up, then unsupervised cross-view geo-localization on the embedded world
# make test       set up, then all tests;  make test-fast: without Ray, about a minute
# make lint       set up, then ruff and pyright

PYTHON ?= python3
BIN := .venv/bin

# Ray 2.60 turns token authentication on by what it finds in the home folder, so it is said here; a cluster sets `token`.
export RAY_AUTH_MODE ?= disabled
export RAY_USAGE_STATS_ENABLED ?= 0

.PHONY: setup demo test test-fast lint clean

setup: .venv/.done

.venv/.done: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/python jobs/unsupervised.py

test: setup
	$(BIN)/python -m pytest

test-fast: setup
	$(BIN)/python -m pytest -m 'not ray and not slow'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf .venv
