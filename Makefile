# `make mechint` sets up, trains the reference checkpoints if they are missing and runs a spec on them.
# `make test` sets up and runs every check.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPEC ?= specs/kv_ablation.yaml
MODELS ?=

.PHONY: mechint test format clean

mechint: $(VENV)/installed $(if $(MODELS),,output/final_model_stepV0.pt output/final_model_stepV1.pt)
	$(BIN)/mechint-run $(SPEC) $(if $(MODELS),--models "$(MODELS)")

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info

# A variant is trained once; `mechint train --force` trains it again.
output/final_model_step%.pt: | $(VENV)/installed
	$(BIN)/mechint train --variants $*

# constraints.txt pins every version, torch's among them.
$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
