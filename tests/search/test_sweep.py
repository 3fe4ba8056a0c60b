"""Every cell of a sweep is one plain pass with the same edits, on models of every family that hooks differently."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mechint.circuit.space import Site
from mechint.journal import Journal
from mechint.search import sweep as module
from mechint.search.patched_run import PatchedRun
from mechint.search.sweep import Patch, activations, run_base, sweep
from mechint.subject.architecture import EMBED
from mechint.subject.intervene import add, edited, keep_only
from mechint.subject.prefix import Cached
from mechint.task.examples import Examples
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import random_model, subject_of

ROOT = Path(__file__).parents[2]
LENGTH, ROWS = 7, 3
KEPT = ("gpt2", "gpt_neox", "gpt_neox-sequential", "llama", "mistral", "gemma2", "gemma3", "phi3", "opt", "mixtral")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    return {name: open_family(save(FAMILIES[name], tmp_path_factory.mktemp(name))) for name in KEPT}


def tokens_of(subject, seed, length=LENGTH):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(subject.shape.n_vocab, (ROWS, length), generator=generator)


def padded(side, length=LENGTH):
    if side is None:
        return None
    mask = torch.ones(ROWS, length, dtype=torch.bool)
    mask[1:, slice(None, 2) if side == "left" else slice(-2, None)] = False
    return mask


def examples_of(subject, seed, side=None, length=LENGTH):
    """Random tokens, scored at the last one of each row."""
    mask, tokens = padded(side, length), tokens_of(subject, seed, length)
    scored = torch.zeros(ROWS, length, dtype=torch.bool)
    scored[range(ROWS), [length - 1, *[length - 1 - 2 * (side == "right")] * 2]] = True
    return Examples(tokens=tokens, targets=tokens, mask=mask, scored=scored)


def logit_of_three(readout, examples):
    return readout.logits()[:, 3]


def at(position, length=LENGTH):
    where = torch.zeros(ROWS, length, dtype=torch.bool)
    where[:, position] = True
    return where


def cells_of(subject, side=None):
    """Every site whole, a few heads, single positions, and several places together."""
    heads = subject.units(Site(1, "z"))
    real = torch.ones(ROWS, LENGTH, dtype=torch.bool) if side is None else padded(side)
    first = torch.nn.functional.one_hot(real.long().argmax(1) + 2, LENGTH).bool()
    cells = [(Patch(site=site),) for site in subject.sites()]
    cells += [(Patch(site=Site(layer, "z"), units=slice(heads.width, 2 * heads.width)),) for layer in range(2)]
    cells += [(Patch(site=site, where=at(position)),) for site in subject.sites() for position in (3, LENGTH - 1)]
    cells += [(Patch(site=Site(layer, "resid_pre"), where=first),) for layer in range(2)]
    window = (Patch(site=Site(0, "mlp_out"), where=at(4)), Patch(site=Site(1, "mlp_out"), where=at(2)))
    return [*cells, window, (Patch(site=Site(1, "k"), units=slice(0, 3)), Patch(site=Site(1, "v"), where=at(5)))]


@torch.no_grad()
def one_by_one(subject, base, source, cells, static):
    """Hooks on the whole model, one plain pass for each intervention."""

    def edit_of(patch):
        def edit(activation):
            changed = activation.clone()
            units = patch.units or slice(None)
            where = torch.ones(activation.shape[:2], dtype=torch.bool) if patch.where is None else patch.where
            value = (source[patch.site] if patch.value is None else patch.value).expand_as(activation)
            changed[..., units] = torch.where(where[..., None], value[..., units], activation[..., units])
            return changed

        return edit

    values = []
    for cell in cells:
        with edited(subject, static), edited(subject, {patch.site: edit_of(patch) for patch in cell}):
            values.append(logit_of_three(subject.readout(base.tokens, base.mask, base.where), base))
    return torch.stack(values)


def compare(subject, side=None, static=None, shared=0, sites=(), **options):
    """A sweep over all kinds of cells against plain passes, with prompts that have their first tokens in common."""
    base, other = (examples_of(subject, seed, side) for seed in (0, 1))
    other = replace(other, tokens=torch.cat([base.tokens[:, :shared], other.tokens[:, shared:]], dim=1))
    cells, source = cells_of(subject, side), activations(subject, other, subject.sites())
    journal = Journal()
    found = sweep(subject, run_base(subject, base, static, sites), source, cells, logit_of_three, journal, **options)
    expected = one_by_one(subject, base, source, cells, static or {})
    assert not torch.allclose(expected[0], expected[-1], rtol=1e-2)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=0)
    return journal


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("family", KEPT)
def test_every_cell_is_a_plain_pass(subjects, family, side):
    assert compare(subjects[family], side).notes == []


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_static_edits_hold_in_every_cell(subjects, family, side):
    """Noise on the embedding, half of the stream into layer 1 dropped, and an MLP fixed to what another run gave."""
    subject = subjects[family]
    noise = torch.randn(ROWS, LENGTH, subject.shape.d_embed, generator=torch.Generator().manual_seed(5))
    half = torch.arange(subject.shape.d_model) % 2 == 0
    fixed = activations(subject, examples_of(subject, 2, side), [Site(1, "mlp_out")])[Site(1, "mlp_out")]
    compare(
        subject,
        side,
        {
            EMBED: add(noise),
            Site(1, "resid_pre"): keep_only(half, torch.ones(())),
            Site(1, "mlp_out"): keep_only(half, fixed),
        },
    )


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2"])
def test_what_the_prompts_have_in_common_is_not_patched_in_vain(subjects, family, side, monkeypatch):
    """Their first four tokens; half of the places at single positions are before the fifth."""
    subject, run, ran = subjects[family], PatchedRun.predict, []

    def counted(self, cells, entries, position):
        ran.extend(position for cell in cells if cell.puts)
        return run(self, cells, entries, position)

    monkeypatch.setattr(PatchedRun, "predict", counted)
    compare(subject, side, shared=4, sites=subject.sites())
    before = sum(cell[0].where is not None and not cell[0].where[:, 4:].any() for cell in cells_of(subject, side))
    assert before >= len(subject.sites())
    assert len(ran) == len(cells_of(subject, side)) - before
    assert min(ran) == 4


def test_places_that_change_nothing_have_the_value_of_the_base(subjects):
    subject = subjects["gpt2"]
    base = run_base(subject, examples_of(subject, 0))
    source = activations(subject, base.examples, [Site(layer, "resid_pre") for layer in range(2)])
    found = sweep(subject, base, source, [(Patch(site=site),) for site in source], logit_of_three, Journal())
    assert torch.equal(found, logit_of_three(base.readout, base.examples).repeat(2, 1))


@pytest.mark.parametrize("side", [None, "left", "right"])
def test_a_model_without_a_cache_computes_all_positions_and_says_so(side):
    subject = subject_of(random_model())
    journal = Journal()
    base, other = (examples_of(subject, seed, side, 6) for seed in (0, 1))
    source = activations(subject, other, subject.sites())
    cells = [(Patch(site=site, where=at(4, 6)),) for site in subject.sites()]
    found = sweep(subject, run_base(subject, base), source, cells, logit_of_three, journal)
    torch.testing.assert_close(found, one_by_one(subject, base, source, cells, {}), atol=1e-5, rtol=1e-5)
    (note,) = journal.notes
    assert note.endswith("takes no keys and values of earlier positions")


def test_keys_that_give_other_numbers_are_not_used(subjects):
    subject = subjects["llama"]
    base = run_base(subject, examples_of(subject, 0))
    wrong = Cached(keys=[1.5 * keys for keys in base.cached.keys], values=base.cached.values)
    journal, source = Journal(), activations(subject, examples_of(subject, 1), [Site(1, "z")])
    cells = [(Patch(site=Site(1, "z"), where=at(4)),)]
    found = sweep(subject, replace(base, cached=wrong), source, cells, logit_of_three, journal)
    torch.testing.assert_close(found, one_by_one(subject, base.examples, source, cells, {}), atol=1e-5, rtol=1e-5)
    assert journal.notes[0].endswith("behind given keys and values llama computes other numbers")


class Interrupted(Exception):
    """The run is stopped in the middle."""


@pytest.mark.parametrize(("family", "tries"), [("gpt2", 5), ("gemma2", 4)])
def test_a_resumed_sweep_is_the_uninterrupted_one(subjects, family, tries, tmp_path, monkeypatch):
    subject = subjects[family]
    base, source = (
        run_base(subject, examples_of(subject, 0)),
        activations(subject, examples_of(subject, 1), subject.sites()),
    )
    cells, passes = cells_of(subject), []
    monkeypatch.setattr(module, "READ_TOGETHER", 1)  # every pass is a part
    run = PatchedRun.predict

    def counted(self, cells, entries, position, fail_at=None):
        passes.append(len(cells))
        if len(passes) == fail_at:
            raise Interrupted
        return run(self, cells, entries, position)

    def swept(fail_at):
        journal = Journal(parts=tmp_path, seconds_between=0)
        monkeypatch.setattr(PatchedRun, "predict", lambda self, *given: counted(self, *given, fail_at))
        return sweep(subject, base, source, cells, logit_of_three, journal, budget=1 << 17)

    with pytest.raises(Interrupted):
        swept(fail_at=tries + 4)
    before = len(passes)
    resumed = swept(fail_at=None)
    of_resumed = len(passes) - before
    whole = sweep(subject, base, source, cells, logit_of_three, Journal(), budget=1 << 17)
    of_whole = len(passes) - before - of_resumed
    assert torch.equal(resumed, whole)
    # Shortcuts are tried each time; of the first intervention, alone, and two passes the values are known.
    assert of_resumed == of_whole - 3
    assert sweep(subject, base, source, cells, logit_of_three, Journal(parts=tmp_path)).equal(whole)


def test_another_source_is_another_sweep(subjects, tmp_path):
    subject = subjects["gpt2"]
    base, journal = run_base(subject, examples_of(subject, 0)), Journal(parts=tmp_path)
    cells = [(Patch(site=Site(1, "z")),)]
    one, other = (
        sweep(
            subject,
            base,
            activations(subject, examples_of(subject, seed), [Site(1, "z")]),
            cells,
            logit_of_three,
            journal,
        )
        for seed in (1, 2)
    )
    assert not torch.equal(one, other)


def test_memory_that_runs_out_halves_a_pass_and_changes_no_number(subjects, monkeypatch):
    subject = subjects["llama"]
    base, source = (
        run_base(subject, examples_of(subject, 0)),
        activations(subject, examples_of(subject, 1), subject.sites()),
    )
    cells, journal, run = cells_of(subject), Journal(), PatchedRun.predict
    expected = sweep(subject, base, source, cells, logit_of_three, Journal())

    def small(self, cells, entries, position):
        if len(cells) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return run(self, cells, entries, position)

    monkeypatch.setattr(PatchedRun, "predict", small)
    torch.testing.assert_close(
        sweep(subject, base, source, cells, logit_of_three, journal), expected, atol=1e-5, rtol=1e-5
    )
    assert any("memory ran out with" in note for note in journal.notes)


def test_other_errors_are_not_taken_for_memory(subjects, monkeypatch):
    subject = subjects["llama"]
    base = run_base(subject, examples_of(subject, 0))
    monkeypatch.setattr(PatchedRun, "predict", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        sweep(subject, base, {}, [(Patch(site=Site(1, "z"), value=torch.zeros(())),)] * 2, logit_of_three, Journal())


def resident(key):
    """Bytes that the process holds, or held at most, by the system's own count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))


def swept_with(budget):
    """What the process grows by while a thousand interventions run."""
    with tempfile.TemporaryDirectory() as folder:
        subject = open_family(save(FAMILIES["gpt2"], Path(folder), n_embd=128, n_inner=4096))
    examples = examples_of(subject, 0, length=16)
    base, source = run_base(subject, examples), activations(subject, examples_of(subject, 1, length=16), [Site(1, "z")])
    cells = [(Patch(site=Site(1, "z"), units=slice(unit % 128, unit % 128 + 1)),) for unit in range(1000)]
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    before = resident("VmRSS")
    module.TOKENS = 1 << 30  # so that memory alone bounds a pass
    sweep(subject, base, source, cells, logit_of_three, Journal(), budget=budget)
    return resident("VmHWM") - before


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not tell a peak of memory")
def test_a_thousand_interventions_hold_no_more_than_the_budget():
    """At once they would take gigabytes: the neurons of 1000 x 3 x 16 tokens, 4096 each in float32, are 750 MiB.

    In a process of its own, in which no memory lies about that others have freed.
    """
    budget = 128 << 20
    script = f"from tests.search.test_sweep import swept_with; print(swept_with({budget}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert budget / 8 < int(run.stdout) <= budget


def test_a_budget_too_small_for_one_is_said(subjects):
    subject, journal = subjects["gpt2"], Journal()
    base = run_base(subject, examples_of(subject, 0))
    cells = [(Patch(site=Site(0, "z"), value=torch.zeros(())),)]
    sweep(subject, base, {}, cells, logit_of_three, journal, budget=1)
    assert "more than the 0 MiB that a sweep may take" in journal.notes[0]


def test_no_interventions_give_no_values(subjects):
    base = run_base(subjects["gpt2"], examples_of(subjects["gpt2"], 0))
    assert sweep(subjects["gpt2"], base, {}, [], logit_of_three, Journal()).shape == (0, ROWS)


def test_the_last_mlp_computes_only_what_is_read(subjects):
    """A patch in layer 0, alone: of 3 x 7 positions the last MLP sees the 3 that are scored, and layer 0's all."""
    subject = subjects["llama"]
    base, seen = run_base(subject, examples_of(subject, 0)), {0: [], 1: []}
    handles = []
    for layer, sizes in seen.items():
        down = subject.module(f"model.layers.{layer}.mlp.down_proj")
        handles.append(
            down.register_forward_pre_hook(lambda _, given, sizes=sizes: sizes.append(given[0][..., 0].numel()))
        )
    sweep(subject, base, {}, [(Patch(site=Site(0, "z"), value=torch.zeros(())),)], logit_of_three, Journal())
    for handle in handles:
        handle.remove()
    assert seen[0][-1] == 21
    assert seen[1][-1] == 3
