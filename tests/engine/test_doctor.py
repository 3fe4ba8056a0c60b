"""A checkpoint, described."""

import pytest
import torch

from mechint.engine.doctor import examine, state
from mechint.engine.plugins import Plugins, list_plugins
from mechint.errors import CheckpointError, UsageError
from mechint.spec.checkpoints import Reference
from tests.hostile import checkpoint_of
from tests.subject.families import FAMILIES, save


@pytest.fixture
def plugins():
    loaded = Plugins(list_plugins())
    loaded.load("architectures")
    return loaded


def examined(plugins, path, prompt=None, **facts):
    found = examine(Reference(path=str(path), **facts), plugins, prompt)
    return found, "\n".join(found.lines)


def test_a_nanogpt_checkpoint_is_described(plugins, write):
    found, text = examined(plugins, write(checkpoint_of()))
    assert found.sound
    for line in ("model       GPT", "heads       2 of 4", "context     6 tokens", "step        7", "vocabulary 11"):
        assert line in text


def test_sites_are_listed_with_shapes_and_places(plugins, tmp_path):
    _, text = examined(plugins, save(FAMILIES["phi3"], tmp_path))
    assert "heads       4 of 8, sharing 2 key and value heads" in text
    assert (
        "k          [b p 2*8]     output of model.layers.0.self_attn.qkv_proj, k of its concatenated q, k and v" in text
    )
    assert "mlp_post   [b p 48]      input of model.layers.0.mlp.down_proj" in text


def test_a_site_that_the_family_lacks_says_why(plugins, tmp_path):
    _, text = examined(plugins, save(FAMILIES["gptj"], tmp_path))
    assert "resid_mid  none: attention and MLP read the same residual stream side by side" in text


def test_a_prompt_is_continued(plugins, write):
    _, text = examined(plugins, write(checkpoint_of(_wide())), prompt="ab", tokenizer="bytes")
    after = text.partition("after 'ab'\n")[2].splitlines()
    shares = [float(line.split()[0]) for line in after]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)


def _wide():
    from mechint.subject.nanogpt import GPT, GPTConfig

    torch.manual_seed(0)
    return GPT(GPTConfig(n_layer=1, n_head=2, n_embd=8, block_size=6, vocab_size=256))


def test_a_prompt_without_a_tokenizer_is_an_error(plugins, write):
    with pytest.raises(CheckpointError, match="without a tokenizer"):
        examined(plugins, write(checkpoint_of()), prompt="ab")


def test_several_checkpoints_are_one_too_many(plugins, write, tmp_path):
    write(checkpoint_of(), "a.pt")
    write(checkpoint_of(), "b.pt")
    with pytest.raises(UsageError, match=r"stands for 2 checkpoints; name one of them\n.*a\.pt\n.*b\.pt"):
        examined(plugins, tmp_path)


def test_facts_are_stated_as_in_a_spec():
    assert state("x.pt", ["n_head=12", "dtype=bfloat16"]) == Reference(path="x.pt", n_head=12, dtype="bfloat16")


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ("heads=12", "states no fact of a checkpoint\\n  hint: write it as KEY=VALUE"),
        ("n_head", "states no fact of a checkpoint"),
        ("path=y.pt", "states no fact of a checkpoint"),
        ("expect=3", "states no fact of a checkpoint"),
        ("n_head=many", "n_head=many: input should be a valid integer"),
        ("dtype=int8", "dtype=int8: input should be 'auto'"),
    ],
)
def test_what_is_no_fact_is_refused(fact, message):
    with pytest.raises(UsageError, match=message):
        state("x.pt", [fact])
