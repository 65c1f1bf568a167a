# The commands of the project; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
# not quiet: torch alone takes minutes to fetch, and pip shows how far it is. Compiled afterwards on all cores, where
# pip would use one; some packages bring files that can't be compiled, which is no error
define install
@$(BIN)/python -m pip install --disable-pip-version-check --no-input --no-compile -c requirements.lock --editable $(1)
@$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null || true
endef

# more workers than cores: many tests wait for servers, and those begin (tests/conftest.py)
SUITE := -m pytest -n 4 --dist loadfile --no-loadscope-reorder

.PHONY: help run ui test types suite lint bench torture inputs pictures vega lock test-lowest docs docs-serve clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

run: .venv/.run  ## train on the sample and say where the results lie
	@$(BIN)/cropyield train data/sample/settings.toml

ui: .venv/.run  ## Prefect's UI with the deployments, a worker and one training run; Ctrl-C stops it all
	@$(BIN)/python -m flows.server.ui

test: .venv/.test  ## style, types, layers and tests
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(MAKE) --no-print-directory --jobs 2 suite types

types: .venv/.test
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

suite: .venv/.test
	@# many tests start processes, which would compile the sources each for itself where Python may not write
	@$(BIN)/python -m compileall -q data flows tasks tests
	@$(BIN)/python $(SUITE)

lint: .venv/.test  ## put the code into style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/mypy

bench: .venv/.bench  ## every comparison with peers, as Markdown (a quarter of an hour; best on a quiet machine)
	@$(BIN)/python -m tests.benchmarks.ingest
	@$(BIN)/python -m tests.benchmarks.training
	@$(BIN)/python -m tests.benchmarks.whole_job
	@$(BIN)/python -m tests.benchmarks.orchestration
	@$(BIN)/python -m tests.benchmarks.growth
	@$(BIN)/python -m tests.benchmarks.rerun
	@$(BIN)/python -m tests.benchmarks.field
	@$(BIN)/python -m tests.benchmarks.budget

torture: .venv/.test  ## kill training, rollback and pruning at every step, refuse them every step, fuzz inputs (an hour)
	@$(BIN)/python -m tests.torture && $(BIN)/python -m tests.torture.media && $(BIN)/python -m tests.torture.store
	@$(BIN)/python -m tests.torture.inputs
	@CROPYIELD_KILLS=24 $(BIN)/python -m pytest --timeout 3600 -q tests/tasks/publish/test_life.py

inputs: .venv/.run  ## write data/tutorial and data/sample anew
	@$(BIN)/python -c "from tests.sample.shipped import write_shipped_inputs; write_shipped_inputs()"

pictures: .venv/.test  ## write docs/*.png anew (needs chromium)
	@$(BIN)/python -m docs.pictures

lock:  ## resolve the newest versions anew: requirements.lock, and requirements.hashes to install by
	@# torch is raised by hand: of a newer one pip would fetch gigabytes of CUDA
	@$(PYTHON) -m venv build/lock && grep '^torch==' requirements.lock > build/torch.txt
	@build/lock/bin/python -m pip install --quiet --dry-run --ignore-installed -c build/torch.txt \
	  --report build/lock.json --editable '.[test,bench]'
	@$(PYTHON) -m tests.lock build/lock.json

test-lowest:  ## the tests at the lowest versions that pyproject.toml allows
	@$(PYTHON) -m venv build/lowest && $(PYTHON) -m tests.lock --lowest > build/lowest.txt
	@build/lowest/bin/python -m pip install --quiet -c build/lowest.txt --editable '.[test]'
	@build/lowest/bin/python $(SUITE)

docs: .venv/.docs  ## build the documentation into .docs/site and check it (a minute); open it from there
	@$(BIN)/python -m docs.generator.build

docs-serve: docs  ## build the documentation and show it on this machine; Ctrl-C ends it
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory .docs/site 8000

vega:  ## bundle the charts' runtime anew and fetch what browser tests need (needs npm)
	@cd tests/npm && npm ci --ignore-scripts --no-audit --no-fund && node bundle.mjs

clean:  ## remove what the commands above made
	rm -rf .venv .prefect .ui .docs store build *.egg-info

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("cropyield needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	@echo "Making .venv, an environment for this project alone"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.run: .venv/.python pyproject.toml requirements.lock
	@echo "Installing torch, Prefect and what they need, once: some minutes, mostly downloads"
	$(call install,.)
	@echo "Installed; the next commands begin at once"
	@touch $@

.venv/.test: .venv/.python pyproject.toml requirements.lock
	@echo "Installing what tests need, once"
	$(call install,'.[test]')
	@touch .venv/.run .venv/.docs $@

.venv/.docs: .venv/.python pyproject.toml requirements.lock
	@echo "Installing what the documentation needs, once"
	$(call install,'.[docs]')
	@touch .venv/.run $@

.venv/.bench: .venv/.python pyproject.toml requirements.lock
	@echo "Installing the peers to compare with, once"
	$(call install,'.[bench]')
	@touch .venv/.run $@
