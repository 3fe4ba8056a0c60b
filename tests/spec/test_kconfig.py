from pathlib import Path

import pytest
import yaml

from mechint.errors import SpecError
from mechint.spec.kconfig import KNOWN, OF_TRAINING, translate_kconfig
from tests.kconfig import ABLATION, P

MINIMAL = f"CONFIG_{P}=y\nCONFIG_{P}_KV_POSTTRAIN=y\n"


def translated(text, path="gpt2/defconfigs/some-analysis"):
    return yaml.safe_load(translate_kconfig(text, path))


def faults_of(text):
    with pytest.raises(SpecError) as raised:
        translate_kconfig(text, "defconfig")
    return [str(fault).removeprefix("defconfig") for fault in raised.value.faults]


def test_every_symbol_of_an_analysis_becomes_a_key():
    assert translated(ABLATION, "gpt2-kv-tying-ablation-mechint") == {
        "version": 1,
        "name": "gpt2-kv-tying-ablation-mechint",
        "checkpoints": "./output/final_model_step*.pt",
        "task": {"name": "tokens", "path": "./gpt2/data/tinystories", "metric": "loss"},
        "method": {
            "name": "kv_circuit",
            "estimator": "straight_through",
            "target_sparsity": 0.95,
            "steps": 500,
            "batch_size": 20,
            "learning_rate": 0.01,
            "l1_lambda": 0.001,
            "hard_masks": True,
        },
        "schedules": {"sparsity": "cubic", "temperature": {"shape": "linear", "start": 1.0, "end": 0.1}},
        "faithfulness": {"ablation": "zero", "curve": {}},
        "wandb": {"project": "gpt2-mechint-kv-tinystories"},
        "output_dir": "mechint_analysis_kv_tinystories",
    }


@pytest.mark.parametrize(
    ("key", "symbol"),
    [
        ("  steps: 500", f"CONFIG_{P}_KV_STEPS"),
        ("  path: ./gpt2/data/tinystories", "CONFIG_DATA_DIR, CONFIG_GPT2_DATASET_NAME"),
        ("  project: gpt2-mechint-kv-tinystories", f"CONFIG_{P}_VISUALIZE_WANDB, CONFIG_TRACKER_PROJECT"),
        ("output_dir: mechint_analysis_kv_tinystories", f"CONFIG_{P}_OUTPUT_DIR"),
    ],
)
def test_comments_say_which_symbol_gave_which_key(key, symbol):
    assert f"{key}  # {symbol}" in translate_kconfig(ABLATION, "defconfig").splitlines()


def test_symbols_of_the_training_are_counted():
    text = ABLATION + 'CONFIG_LEARNING_RATE="6e-4"\n# CONFIG_DEBUG is not set\n'
    both = translate_kconfig(ABLATION, "a"), translate_kconfig(text, "a")
    counts = [int(spec.splitlines()[1].split()[1]) for spec in both]
    assert counts[1] == counts[0] + 2 == 4
    assert "left out" not in translate_kconfig(MINIMAL, "a")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("linear:1.0:0.1", {"shape": "linear", "start": 1.0, "end": 0.1}),
        ("constant:0.5", {"shape": "constant", "start": 0.5}),
        ("exp:1.0:0.01", {"shape": "exponential", "start": 1.0, "end": 0.01}),
        ("exponential:2:1e-2", {"shape": "exponential", "start": 2, "end": 0.01}),
        ("cosine:1.0:0.1", {"shape": "cosine", "start": 1.0, "end": 0.1}),
    ],
)
def test_temperatures_are_schedules(written, read):
    spec = translate_kconfig(f'{MINIMAL}CONFIG_{P}_KV_TEMP_SCHEDULE="{written}"\n', "a")
    (line,) = [line for line in spec.splitlines() if "temperature:" in line]
    assert line.partition("{")[2].partition("}")[0] == ", ".join(f"{k}: {v}" for k, v in _as_typed(written, read))


def _as_typed(written, read):
    """Numbers as the user typed them; PyYAML's own reader takes 1e-2 for a string."""
    return zip(read, [read["shape"], *written.split(":")[1:]], strict=True)


@pytest.mark.parametrize("shape", ["cubic", "linear", "exponential"])
def test_sparsity_schedules_keep_their_words(shape):
    spec = translated(f'{MINIMAL}CONFIG_{P}_KV_SPARSITY_SCHEDULE="{shape}"\n')
    assert spec["schedules"] == {"sparsity": shape}


def test_what_a_configuration_leaves_out_is_left_to_the_specs_defaults():
    spec = translated(MINIMAL)
    assert spec["checkpoints"] == "./output/final_model_step*.pt"
    assert spec["method"] == {"name": "kv_circuit", "estimator": "straight_through"}
    assert spec.keys().isdisjoint({"schedules", "wandb", "output_dir"})


@pytest.mark.parametrize("name", ["TRACKER_PROJECT", "KNLP_TRACKER_PROJECT", "WANDB_PROJECT"])
def test_the_trackers_project_is_found_under_each_of_its_names(name):
    text = f'{MINIMAL}CONFIG_{P}_VISUALIZE_WANDB=y\nCONFIG_{name}="my project"\n'
    assert translated(text)["wandb"] == {"project": "my project"}
    assert "wandb" not in translated(text.replace("WANDB=y", "WANDB=n"))


def test_a_configuration_that_only_draws_says_how():
    text = f'CONFIG_{P}=y\nCONFIG_{P}_KV_FROM_RUNS=y\nCONFIG_{P}_KV_RUN_DIR="mechint_analysis_kv"\n'
    assert f"  # CONFIG_{P}_KV_FROM_RUNS draws again what there is: mechint-run --from-runs mechint_analysis_kv" in (
        translate_kconfig(text, "a")
    )
    assert faults_of(text.replace('"mechint_analysis_kv"', '""')) == [
        f":2: CONFIG_{P}_KV_FROM_RUNS: needs CONFIG_{P}_KV_RUN_DIR, the folder to draw again"
    ]


@pytest.mark.parametrize("text", ["null", "1.5", ".inf", "*.pt", "a: b", "a #b", "ü", 'say "x"', "- x", "", " "])
def test_a_path_is_read_back_as_it_was(text):
    escaped = text.replace('"', '\\"')
    spec = translated(f'{MINIMAL}CONFIG_{P}_KV_CHECKPOINT="{escaped}"\n')
    assert spec["checkpoints"] == (text or "./output/final_model_step*.pt")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f"CONFIG_{P}_KV_STPES=5", f":3: unknown symbol 'CONFIG_{P}_KV_STPES'; did you mean 'CONFIG_{P}_KV_STEPS'?"),
        ("CONFIG_MECHINT_NEURONS=y", ":3: unknown symbol 'CONFIG_MECHINT_NEURONS'"),
        (f"# CONFIG_{P}_HEADS is not set", f":3: unknown symbol 'CONFIG_{P}_HEADS'"),
        (f"CONFIG_{P}_KV_STEPS=5", f":3: CONFIG_{P}_KV_STEPS: '5' is not a whole number from 12 on"),
        (f'CONFIG_{P}_KV_STEPS="many"', f":3: CONFIG_{P}_KV_STEPS: 'many' is not a whole number from 12 on"),
        (f'CONFIG_{P}_KV_TARGET_SPARSITY="95"', ":3: CONFIG_{P}_KV_TARGET_SPARSITY: '95' is not a number between 0"),
        (f'CONFIG_{P}_KV_LR="1e999"', ":3: CONFIG_{P}_KV_LR: '1e999' is not a number above 0"),
        (f'CONFIG_{P}_KV_TARGET_METRIC="los"', ":3: CONFIG_{P}_KV_TARGET_METRIC: unknown 'los'; did you mean 'loss'?"),
        (f'CONFIG_{P}_KV_TEMP_SCHEDULE="cubic:1:0"', ":3: CONFIG_{P}_KV_TEMP_SCHEDULE: unknown 'cubic'; known: const"),
        (f'CONFIG_{P}_KV_TEMP_SCHEDULE="linear:1"', ":3: CONFIG_{P}_KV_TEMP_SCHEDULE: 'linear:1' is not written as"),
        (f'CONFIG_{P}_KV_TEMP_SCHEDULE="linear:1:0"', ":3: CONFIG_{P}_KV_TEMP_SCHEDULE: '0' is not a number above 0"),
        (f'CONFIG_{P}_OUTPUT_DIR="../x"', ":3: CONFIG_{P}_OUTPUT_DIR: '../x' leaves its folder with '..'"),
        (f"CONFIG_{P}_KV_FROM_RUNS=y", ":3: CONFIG_{P}_KV_FROM_RUNS: excludes CONFIG_{P}_KV_POSTTRAIN"),
        (f"CONFIG_{P}_KV_HARD_MASKS=2", ":3: CONFIG_{P}_KV_HARD_MASKS: '2' is neither y nor n"),
        ("KNLP", ":3: not a line of Kconfig: 'KNLP'"),
    ],
)
def test_what_has_no_place_in_a_spec_is_refused_by_name_and_line(line, fault):
    (found,) = faults_of(f"{MINIMAL}{line}\n")
    assert found.startswith(fault.replace("{P}", P))


@pytest.mark.parametrize("text", ["", 'CONFIG_MODEL="gpt2"\n', f"# CONFIG_{P} is not set\nCONFIG_{P}_KV_STEPS=50\n"])
def test_a_configuration_without_an_analysis_is_refused(text):
    assert faults_of(text) == [f": asks for no analysis: CONFIG_{P} is not set"]


def test_all_faults_are_told_in_the_order_of_the_file():
    text = f"{MINIMAL}CONFIG_{P}_X=y\nnonsense\nCONFIG_{P}_KV_LR=-1\n"
    assert [fault.split(":")[1] for fault in faults_of(text)] == ["3", "4", "5"]


@pytest.mark.parametrize("symbol", [*KNOWN, *OF_TRAINING])
def test_every_symbol_that_is_read_is_on_the_page(symbol):
    page = (Path(__file__).parents[2] / "docs/coming-from-knlp.md").read_text()
    assert f"`{symbol}`" in page
