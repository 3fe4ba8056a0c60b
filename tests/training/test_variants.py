"""The reference models themselves."""

import pytest

from mechint.subject.gpt2 import architecture_of
from mechint.training.recipe import init_model
from mechint.training.variants import choose_variants


@pytest.mark.parametrize(
    ("name", "architecture"), [("V0", "gpt2-nanogpt"), ("V1", "gpt2-nanogpt-kv-tied"), ("V2", "gpt2-nanogpt-ra")]
)
def test_a_variant_is_the_architecture_of_its_number(name, architecture):
    (variant,) = choose_variants([name])
    assert architecture_of(variant.shape).name == architecture


def test_variants_differ_in_their_attention_alone():
    """V1 lacks a third of c_attn; V2 has one head's projection of 32 channels, a norm and a share on two layers."""
    vanilla, tied, reciprocal = (
        sum(weight.numel() for weight in init_model(variant.shape, 0, variant.recipe).parameters())
        for variant in choose_variants(["V0", "V1", "V2"])
    )
    assert vanilla - tied == 4 * (128 * 128 + 128)
    assert reciprocal - vanilla == 2 * (32 * 128 + 128 + 2 * 128 + 1)
