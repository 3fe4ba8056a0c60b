"""The snippets of docs/training.md, run one after the other as a reader would."""

import re
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, TrainingArguments

from mechint.training.gate import SpecGate
from mechint.training.variants import VARIANTS
from tests.tiny import random_model
from tests.training.stand_in import StandIn

PAGE = Path(__file__).parents[2] / "docs/training.md"
GATE, LOOP, TRANSFORMERS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def names_after(snippets, **names):
    """What is defined after the snippets, with a stand-in for the program."""
    for snippet in snippets:
        exec(compile(snippet.replace("every=500", "every=500, run=run"), str(PAGE), "exec"), names)
    return names


def test_the_loop_of_the_page_stops_where_its_gate_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = names_after(
        (GATE, LOOP),
        run=StandIn([0, 1]),
        model=random_model(),
        take_step=lambda model: 2.0,
        measure=lambda model: 2.5,
    )
    assert left["iteration"] == 1000
    assert {path.name for path in (tmp_path / "output").iterdir()} == {
        "best_model_stepV0.pt",
        "checkpoint_iter_500_stepV0.pt",
        "checkpoint_iter_1000_stepV0.pt",
        "final_model_stepV0.pt",
        "training_metrics_stepV0.json",
    }


def test_the_trainer_of_the_page_saves_and_is_judged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"input_ids": row, "labels": row} for row in torch.arange(24).reshape(4, 6) % 11]
    left = names_after(
        (GATE, TRANSFORMERS),
        run=StandIn([1]),
        model=GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, n_positions=6, vocab_size=11)),
        args=TrainingArguments(
            output_dir="trainer",
            max_steps=2,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            eval_strategy="steps",
            eval_steps=1,
            save_strategy="no",
            dataloader_pin_memory=False,
        ),
        train=rows,
        validation=rows,
    )
    assert left["callback"].should_stop
    assert {path.name for path in (tmp_path / "output").iterdir()} == {
        "best_model_stepV0",
        "final_model_stepV0",
        "training_metrics_stepV0.json",
    }


def test_the_options_of_the_page_are_the_gates_own():
    options = re.findall(r"^\| `(\w+=.*?)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(options) == 4
    SpecGate(spec="gate.yaml", **eval(f"dict({', '.join(options)})"))


@pytest.mark.parametrize("toy", [variant.name for variant in VARIANTS if variant.by_hand or variant.data != "stdlib"])
def test_every_toy_is_on_the_page_and_in_its_command(toy):
    (command,) = re.findall(r"mechint train --variants (\S+)", PAGE.read_text())
    assert f"| `{toy}` |" in PAGE.read_text()
    assert toy in command.split(",")
