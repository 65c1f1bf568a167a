# The commands of the project; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock

.PHONY: help run ui test lint bench torture inputs pictures vega clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

run: .venv/.run  ## train on the sample and say where the results lie
	@$(BIN)/cropyield train data/sample/settings.toml

ui: .venv/.run  ## Prefect's UI with the deployments, a worker and one training run; Ctrl-C stops it all
	@$(BIN)/python -m flows.server.ui

test: .venv/.test  ## style, types, layers and tests
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -n 3 --dist loadfile

lint: .venv/.test  ## put the code into style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/mypy

bench: .venv/.bench  ## every comparison with peers, as Markdown (a quarter of an hour; best on a quiet machine)
	@$(BIN)/python -m tests.benchmarks.ingest
	@$(BIN)/python -m tests.benchmarks.training
	@$(BIN)/python -m tests.benchmarks.whole_job
	@$(BIN)/python -m tests.benchmarks.orchestration
	@$(BIN)/python -m tests.benchmarks.growth
	@$(BIN)/python -m tests.benchmarks.rerun

torture: .venv/.test  ## kill training, rollback and pruning at every step, refuse them every step (half an hour)
	@$(BIN)/python -m tests.torture && $(BIN)/python -m tests.torture.media

inputs: .venv/.run  ## write data/tutorial and data/sample anew
	@$(BIN)/python -c "from tests.sample.shipped import write_shipped_inputs; write_shipped_inputs()"

pictures: .venv/.test  ## write docs/*.png anew (needs chromium)
	@$(BIN)/python -m docs.pictures

vega:  ## bundle the charts' runtime anew and fetch what browser tests need (needs npm)
	@cd tests/npm && npm ci --ignore-scripts --no-audit --no-fund && node bundle.mjs

clean:  ## remove what the commands above made
	rm -rf .venv .prefect .ui store build *.egg-info

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("cropyield needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	@echo "Making .venv (a few minutes, once)"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.run: .venv/.python pyproject.toml requirements.lock
	@$(PIP) --editable .
	@touch $@

.venv/.test: .venv/.python pyproject.toml requirements.lock
	@$(PIP) --editable '.[test]'
	@touch .venv/.run $@

.venv/.bench: .venv/.python pyproject.toml requirements.lock
	@$(PIP) --editable '.[bench]'
	@touch .venv/.run $@
