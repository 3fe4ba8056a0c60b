import pytest
import torch

from mechint.subject.joining import Entry, find_attention
from mechint.subject.resume import record, resumed
from tests.subject.families import FAMILIES, open_family, save
from tests.tiny import random_model, subject_of

TOKENS = torch.randint(11, (3, 6), generator=torch.Generator().manual_seed(0))


def rows_of(modules):
    """Hooks that write down how many rows each module gives in every pass, and the lists they write to."""
    seen = {name: [] for name in modules}
    for name, module in modules.items():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: seen[name].append(len(output)))
    return seen


def test_modules_compute_only_the_copies_that_have_entered():
    """Of 3 examples: one copy from layer 0 on, one from layer 1 on, and two from behind the attention of layer 1 on."""
    subject = subject_of(random_model(n_layer=3))
    recorded = record(subject, TOKENS)
    names = [f"{layer}.{part}" for layer in range(3) for part in ("attn.q", "mlp")]
    seen = rows_of({name: subject.module(f"transformer.h.{name}") for name in names})
    entries = [Entry(layer=0), Entry(layer=1), *[Entry(layer=1, behind=True)] * 2]
    with resumed(subject, recorded, entries):
        subject.run(TOKENS.repeat(4, 1))
    assert seen == {"0.attn.q": [3], "0.mlp": [3], "1.attn.q": [6], "1.mlp": [12], "2.attn.q": [12], "2.mlp": [12]}


def test_where_all_enter_behind_it_attention_is_run_on_one_copy():
    subject = subject_of(random_model())
    recorded = record(subject, TOKENS)
    seen = rows_of({name: subject.module(f"transformer.h.1.{name}") for name in ("attn.q", "mlp")})
    with resumed(subject, recorded, [Entry(layer=1, behind=True)] * 4):
        subject.run(TOKENS.repeat(4, 1))
    assert seen == {"attn.q": [3], "mlp": [12]}


def test_copies_in_another_order_than_they_enter_are_refused():
    subject = subject_of(random_model())
    with pytest.raises(AssertionError), resumed(subject, record(subject, TOKENS), [Entry(layer=1), Entry(layer=0)]):
        pass


@pytest.mark.parametrize("family", FAMILIES)
def test_every_table_leads_to_the_module_of_attention(family, tmp_path):
    subject = open_family(save(FAMILIES[family], tmp_path))
    assert find_attention(subject, 1) in (
        getattr(subject.block(1), name, None) for name in ("attn", "self_attn", "attention")
    )
