# Two commands for a fresh machine with Python 3.11 and pip: `make plan` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := $(shell find . -path ./$(VENV) -prune -o -path ./build -prune -o -path ./.types -prune \
	-o \( -path './formulations/*' -o -path './solvers/*' -o -path './adapters/*' -o -path './examples/*' -o -path './*.py' \) \
	-not -path './tests/*' -not -path './benchmarks/*' -type f -not -name '*.pyc' -print \
	| grep -v __pycache__)
WORKERS ?= 2
.DELETE_ON_ERROR:

.PHONY: help plan test lint types wheel bounds bench notebooks clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip "setuptools>=77" wheel
	touch $@

# The core and the ONNX reader: what the main job needs, no framework.
$(VENV)/.core: $(VENV)/.made pyproject.toml $(SOURCES)
	$(PIP) install --quiet --force-reinstall --no-deps .
	$(PIP) install --quiet ".[onnx]"
	touch $@

# Everything the tests need; the package itself comes from its wheel below.
$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(PIP) install --quiet ".[dev]"
	touch $@

plan: $(VENV)/.core  ## set up and plan the embedded examples
	$(BIN)/orbweave plan --example resnet50
	$(BIN)/orbweave plan --example llama-70b

wheel: $(VENV)/.dev  ## build the wheel and install it
	rm -rf build dist
	$(BIN)/python -m build --quiet --wheel --no-isolation
	$(PIP) install --quiet --force-reinstall --no-deps dist/*.whl

lint: $(VENV)/.dev  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Type checkers need the checkout to be importable as `orbweave`, whatever its folder is called.
types: $(VENV)/.dev  ## mypy --strict and pyright
	mkdir -p .types && ln -sfn .. .types/orbweave
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# TensorFlow cannot share a process with OR-Tools' MathOpt, so its tests run in one of their own.
test: lint types wheel  ## set up and pass the tests, on the installed wheel
	ORBWEAVE_WHEEL=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal --ignore tests/with_tensorflow
	ORBWEAVE_WHEEL=1 $(BIN)/pytest tests/with_tensorflow

# Compiled loops check no index; here they do, with a cache of their own. All of it: 20 minutes.
bounds: wheel  ## the tests once more, with every index of a compiled loop checked
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/.bounds ORBWEAVE_WHEEL=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal --ignore tests/with_tensorflow

bench: wheel  ## the benchmarks of docs/benchmarks.md
	$(BIN)/pytest benchmarks --benchmark-columns=min,median,rounds -q -o python_files='bench_*.py'

notebooks: wheel  ## execute the notebooks
	$(BIN)/pytest tests/test_notebooks.py

clean:  ## remove what was built
	rm -rf build dist .types *.egg-info $(VENV)
