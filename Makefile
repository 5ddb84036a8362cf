# `make run` and `make test` need Python 3.11+, git and make; everything else is installed into .venv, by hash.
PYTHON ?= python3
BIN := .venv/bin
export COUNTERSIGN_HOME ?= $(CURDIR)/.countersign
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# What one process of a test has compiled, the next one reads.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install install-dev install-bench run test test-slow check bench docs

install: .venv/runtime
install-dev: .venv/dev
install-bench: .venv/bench

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

# The locks are complete: --no-deps keeps pip from resolving anything anew.
.venv/runtime: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m countersign.deployments.precompile
	touch $@

.venv/dev: requirements-dev.lock .venv/runtime
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	touch $@

.venv/bench: requirements-bench.lock .venv/dev
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-bench.lock
	touch $@

# UP: options of `countersign up`, such as UP=--check to stop as soon as everything is up.
run: install
	COUNTERSIGN_CLOCK=simulated $(BIN)/countersign sample
	$(BIN)/countersign up $(UP)

test: install-dev
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder $(ARGS)

# What takes minutes: death at every step of settling, sealing and publishing, and of `up` itself; PostgreSQL everywhere;
# ten minutes of a platform at work while everything about it is killed or broken (docs/soak.md; SOAK_SECONDS).
test-slow: install-dev
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder -m slow $(ARGS)

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The page for API clients; a test fails when it is stale.
docs: install
	$(BIN)/python -m countersign.api.document docs/daily_loop.py docs/api.md

# ONLY: one of the files in bench/, such as ONLY=settlement.
bench: install-bench
	$(BIN)/python -m bench $(ONLY)
