"""Shortcuts are taken where the base run comes out the same by them, and left where it does not."""

from dataclasses import replace

import pytest
import torch
from transformers.activations import NewGELUActivation

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search import shortcuts
from mechint.search.base_run import run_base
from mechint.search.patched_run import PatchedRun
from mechint.search.shortcuts import try_shortcuts
from mechint.subject.nanogpt import MLP
from mechint.subject.resume import Recorded
from mechint.task.examples import Examples
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import random_model, subject_of


def tried(subject, base=None, length=6, positions=(0, 3)):
    """The run with its shortcuts, and the journal's notes."""
    journal = Journal()
    run = PatchedRun(subject=subject, base=base or base_of(subject, length), read=lambda readout, _: readout.last[:, 0])
    return try_shortcuts(run, positions, journal), journal.notes


def base_of(subject, length=6):
    tokens = torch.randint(subject.shape.n_vocab, (3, length), generator=torch.Generator().manual_seed(0))
    scored = torch.zeros_like(tokens, dtype=torch.bool)
    scored[:, -1] = True
    return run_base(subject, Examples(tokens=tokens, targets=tokens, scored=scored))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_all_shortcuts(family, tmp_path):
    run, notes = tried(open_family(save(FAMILIES[family], tmp_path)))
    assert run.cached is not None
    assert run.joining
    assert run.behind
    assert len(run.narrow) == (1 if family in ("mixtral", "qwen2_moe", "opt", "opt-post-norm") else 2)
    assert notes == []


def test_a_model_of_our_own_takes_no_keys():
    run, (note,) = tried(subject_of(random_model()))
    assert run.cached is None
    assert run.joining
    assert run.behind
    assert note.endswith("takes no keys and values of earlier positions")


def test_that_it_takes_none_is_not_said_where_none_are_needed():
    assert tried(subject_of(random_model()), positions={0})[1] == []


def tried_with_twice(site):
    """The run, and the notes, where twice of what a site gave is recorded."""
    subject = subject_of(random_model())
    base = base_of(subject)
    wrong = {**base.recorded.activations, site: 2 * base.recorded.activations[site]}
    return tried(subject, replace(base, recorded=Recorded(activations=wrong, others=base.recorded.others)))


def test_heads_that_were_recorded_otherwise_are_not_entered_with():
    """The stream of the last layer is entered with all the same."""
    run, notes = tried_with_twice(Site(1, "z"))
    assert (run.joining, run.behind) == (True, False)
    assert notes[1].endswith("begin with the layer: behind attention gpt2-nanogpt computes other numbers")


def test_a_stream_that_was_recorded_otherwise_is_not_joined_with():
    run, notes = tried_with_twice(Site(1, "resid_pre"))
    assert (run.joining, run.behind) == (False, False)
    assert notes[-1].startswith("interventions that begin at different layers are run apart")


def test_a_table_without_attention_is_joined_at_layers_alone(monkeypatch):
    monkeypatch.setattr(shortcuts, "find_attention", lambda *_: None)
    run, notes = tried(subject_of(random_model()))
    assert (run.joining, run.behind) == (True, False)
    assert notes[-1].endswith("the table of gpt2-nanogpt leads to no module of attention")


class Minding(MLP):
    """Gives something else where it is run on fewer positions."""

    def forward(self, x):
        return super().forward(x) * x.shape[1]


def test_a_function_that_is_another_than_it_is_taken_for_is_left_as_it_is(monkeypatch, tmp_path):
    subject = open_family(save(FAMILIES["gpt2"], tmp_path))
    monkeypatch.setattr(NewGELUActivation, "forward", lambda _, given: given.relu())
    run, notes = tried(subject)
    assert run.written_out == ()
    assert notes == ["activation functions are computed as they are written out: at once gpt2 computes other numbers"]


def test_a_module_that_minds_where_it_is_run_is_run_everywhere():
    model = random_model()
    model.get_submodule("transformer.h.1.mlp").__class__ = Minding
    run, notes = tried(subject_of(model))
    assert run.narrow == ()
    assert notes[1] == "the last layer is run at all positions: at single ones gpt2-nanogpt computes other numbers"
