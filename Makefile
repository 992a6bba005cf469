# Two commands do everything on a fresh machine: `make demo` and `make test`.
# PyTorch's CPU build (no GPU on this machine):  make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
       $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help install demo test faults faults-on-sqlite faults-on-the-rest lint format bench bench-demand bench-recommendation bench-churn bench-completion bench-warm bench-reading bench-scale docs \
        clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Making the environment .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.made pyproject.toml constraints.txt
	@echo "Installing pinned packages (once; PyTorch is large)"
	@$(PIP) -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@echo "Installing development packages (once)"
	@$(PIP) -e '.[dev]'
	@touch $@

.venv/.installed-bench: .venv/.installed-dev
	@echo "Installing the peers to measure against (once)"
	@$(PIP) -e '.[dev,bench]'
	@touch $@

install: .venv/.installed  ## the environment with the suite in it

demo: .venv/.installed  ## all jobs on real sales, from an empty warehouse to the reports
	@$(BIN)/forecasting demo

test: .venv/.installed-dev  ## all tests, on SQLite and a real PostgreSQL, and the rules of import
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST)

faults: .venv/.installed-dev  ## every fault at full count on both databases, side by side, one line each (an hour or two)
	@$(MAKE) --no-print-directory -j 2 faults-on-sqlite faults-on-the-rest

faults-on-sqlite:
	@FAULTS=full $(BIN)/python -m pytest tests/faults -s -q -k sqlite

faults-on-the-rest:
	@FAULTS=full $(BIN)/python -m pytest tests/faults -s -q -k "not sqlite"

lint: .venv/.installed-dev  ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.installed-dev  ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/.installed  ## rewrite the command reference from the commands themselves
	@$(BIN)/python -m forecasting.app.reference > docs/COMMANDS.md

bench: bench-reading bench-scale bench-demand bench-recommendation bench-churn bench-completion bench-warm  ## all benchmarks: accuracy beside peers, speed as ratios

bench-demand: .venv/.installed-bench  ## demand: accuracy and speed beside statsforecast and LightGBM
	@$(BIN)/python -m benchmarks.demand

bench-recommendation: .venv/.installed-dev  ## recommendation: accuracy and speed beside baselines, each target
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.ranking
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.approximate
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.recommendation --seeds 3

bench-churn: .venv/.installed-bench  ## churn: accuracy, speed and memory beside baselines and LightGBM, each target
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.churn --seeds 3
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.churn_scale

bench-completion: .venv/.installed-bench  ## completion: accuracy, speed and memory beside baselines and LightGBM, each target
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.completion --seeds 3

bench-warm: .venv/.installed-dev  ## warm starts: cost and accuracy beside full fits and a champion left alone, all tasks
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.warm_start --seeds 3

bench-reading: .venv/.installed-dev  ## reading 1, 3 and 10 million rows from SQLite and PostgreSQL
	@$(BIN)/python -m benchmarks.reading

bench-scale: .venv/.installed-dev  ## features and batches of 1, 3 and 10 million rows
	@$(BIN)/python -m benchmarks.scale

clean:  ## remove the environment and everything that was made
	@rm -rf .venv var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
