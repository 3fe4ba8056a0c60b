"""What no weight shows: heads and activation, from the spec, the file, or a size that has a name."""

import pytest

from mechint.checkpoint.checkpoint import Checkpoint
from mechint.errors import CheckpointError
from mechint.spec.checkpoints import Reference
from mechint.subject.gpt2_facts import choose_activation, choose_heads, refuse_other_functions
from mechint.subject.gpt2_layouts import LaidOut


def laid_out(width=768, *, hugging_face=False, **facts):
    checkpoint = Checkpoint(
        path="x.pt", sha256="", layout="model", weights={}, facts=facts, step=None, best_val_loss=None
    )
    return LaidOut(checkpoint=checkpoint, hugging_face=hugging_face, width=width, context=8, n_vocab=9, kv_tied=False)


def heads_of(n_layer, given, **stated):
    return choose_heads(given, n_layer, Reference(path="x.pt", **stated))


SIZES = [
    ("gpt2-tiny", 6, 8, 512),
    ("gpt2", 12, 12, 768),
    ("gpt2-medium", 24, 16, 1024),
    ("gpt2-large", 36, 20, 1280),
    ("gpt2-xl", 48, 25, 1600),
]


@pytest.mark.parametrize(("name", "n_layer", "n_head", "width"), SIZES)
def test_heads_follow_from_a_named_size(name, n_layer, n_head, width):
    assert heads_of(n_layer, laid_out(width, model_name=name)) == n_head


@pytest.mark.parametrize(("n_layer", "n_head", "width"), [*(size[1:] for size in SIZES[1:]), (6, 12, 768)])
def test_published_sizes_are_known_in_hugging_faces_layout(n_layer, n_head, width):
    assert heads_of(n_layer, laid_out(width, hugging_face=True)) == n_head


def test_a_published_size_says_nothing_in_nanogpts_layout():
    with pytest.raises(CheckpointError, match="does not say how many attention heads"):
        heads_of(12, laid_out())


def test_a_stated_number_of_heads_comes_before_a_published_size():
    assert heads_of(12, laid_out(hugging_face=True), n_head=16) == 16
    assert heads_of(12, laid_out(hugging_face=True, n_head=24)) == 24


def test_hugging_faces_name_for_heads_is_read():
    assert heads_of(2, laid_out(64, num_attention_heads=4)) == 4


def test_heads_that_nothing_states_are_asked_for_with_an_example():
    with pytest.raises(CheckpointError, match=r"hint: state it in the spec: checkpoints: {path: x\.pt, n_head: …}"):
        heads_of(2, laid_out(64))


@pytest.mark.parametrize("fact", ["n_layer", "num_hidden_layers", "n_embd", "hidden_size"])
def test_facts_of_another_model_are_not_trusted(fact):
    with pytest.raises(CheckpointError, match="its n_head is not to be trusted either"):
        heads_of(2, laid_out(64, n_head=4, **{fact: 7}))


@pytest.mark.parametrize(
    ("given", "stated", "activation"),
    [
        (laid_out(), None, "gelu"),
        (laid_out(hugging_face=True), None, "gelu_tanh"),
        (laid_out(activation="gelu_new"), None, "gelu_tanh"),
        (laid_out(hugging_face=True, activation_function="gelu"), None, "gelu"),
        (laid_out(hugging_face=True, activation_function=None), None, "gelu_tanh"),
        (laid_out(hugging_face=True), "gelu", "gelu"),
        (laid_out(activation="relu"), "gelu_tanh", "gelu_tanh"),
    ],
)
def test_the_activation_is_the_specs_word_or_the_files_or_its_layouts(given, stated, activation):
    assert choose_activation(given, Reference(path="x.pt", activation=stated)) == activation


@pytest.mark.parametrize("activation", ["relu", "quick_gelu", 3])
def test_an_activation_that_no_gpt2_here_has_is_refused(activation):
    with pytest.raises(CheckpointError, match=f"its config says activation_function {activation!r}"):
        choose_activation(laid_out(activation_function=activation), Reference(path="x.pt"))


@pytest.mark.parametrize(
    ("fact", "value"),
    [("scale_attn_by_inverse_layer_idx", True), ("scale_attn_weights", False), ("layer_norm_epsilon", 1e-6)],
)
def test_a_config_of_another_function_is_refused(fact, value):
    with pytest.raises(CheckpointError, match=f"its config says {fact} {value!r}"):
        refuse_other_functions(laid_out(**{fact: value}))


def test_a_config_that_says_the_usual_is_taken():
    refuse_other_functions(laid_out(scale_attn_weights=True, layer_norm_epsilon=1e-5, add_cross_attention=None))
