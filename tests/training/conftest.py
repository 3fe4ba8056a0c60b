"""A text small enough to train on in no time."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest
from rich.console import Console

from mechint.subject.nanogpt import GPTConfig
from mechint.training.variants import Variant


@pytest.fixture
def data_dir(tmp_path):
    """Two splits with their facts, as ``prepare_stdlib`` leaves them: the alphabet over and over."""
    folder = tmp_path / "data"
    folder.mkdir()
    facts = {}
    for split, tokens in (("train", 2000), ("val", 500)):
        content = (97 + np.arange(tokens) % 26).astype("<u2").tobytes()
        (folder / f"{split}.bin").write_bytes(content)
        facts[split] = {"sha256": sha256(content).hexdigest(), "tokens": tokens}
    (folder / "data.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def tiny_variants(monkeypatch):
    """Makes V0 and V1 tiny."""

    def tiny(name, *, kv_tied):
        shape = GPTConfig(n_layer=1, n_head=2, n_embd=8, block_size=16, vocab_size=256, kv_tied=kv_tied)
        return Variant(name=name, summary="tiny", shape=shape)

    monkeypatch.setattr("mechint.training.variants.VARIANTS", (tiny("V0", kv_tied=False), tiny("V1", kv_tied=True)))


@pytest.fixture
def console(tmp_path):
    """A console that prints into a file; ``console.file.name`` says which."""
    with (tmp_path / "printed.txt").open("w+") as stream:
        yield Console(file=stream, width=100)
