# Every target makes .venv when it is missing, installs what it needs from the package registry, and runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo quick test test-all check format bench clean help

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# torch is named first, at the pinned version, so that no other package pulls in another build of it
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Undercoat needs Python 3.11 or newer; run: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt $$(grep -E '^torch==' constraints.txt)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)   ## lay coats on an ImageNet backbone with real images, and show what each brought (about 6 minutes)
	$(BIN)/undercoat demo

quick: $(STAMP)  ## the same with tiny budgets (under a minute)
	$(BIN)/undercoat demo --quick

test: $(STAMP)   ## all tests but the slow ones
	$(BIN)/pytest -q -m "not slow and not gpu"

test-all: $(STAMP) ## the slow tests too
	$(BIN)/pytest -q

check: $(STAMP)  ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_architecture.py

format: $(STAMP) ## put the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## speed and memory, as ratios measured in one run
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/augmentation.py
	$(BIN)/python benchmarks/pretrain_throughput.py
	$(BIN)/python benchmarks/probe.py
	$(BIN)/python benchmarks/methods.py
	$(BIN)/python benchmarks/clustering.py
	$(BIN)/python benchmarks/patches.py
	$(BIN)/python benchmarks/scattering.py
	$(BIN)/python benchmarks/layer_probe.py

clean:           ## remove the environment and caches, never runs
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build src/*.egg-info
