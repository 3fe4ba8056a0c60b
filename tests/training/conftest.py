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
    """Makes every variant tiny."""

    def tiny(name, **differences):
        shape = GPTConfig(n_layer=1, n_head=2, n_embd=8, block_size=16, vocab_size=256, **differences)
        return Variant(name=name, summary="tiny", shape=shape)

    variants = tiny("V0"), tiny("V1", kv_tied=True), tiny("V2", reciprocal_heads=(1,))
    monkeypatch.setattr("mechint.training.variants.VARIANTS", variants)


@pytest.fixture
def console(tmp_path):
    """A console that prints into a file; ``console.file.name`` says which."""
    with (tmp_path / "printed.txt").open("w+") as stream:
        yield Console(file=stream, width=100)
