"""A file's kind is told by its first bytes."""

import pytest

from mechint.checkpoint.kinds import tell_kind
from mechint.errors import CheckpointError
from tests import hostile
from tests.hostile import gguf_files, safetensors_files

GOOD = {"archive": hostile.good, "safetensors": safetensors_files.good, "gguf": gguf_files.good}


@pytest.mark.parametrize("kind", GOOD)
def test_each_kind_is_told(kind):
    assert tell_kind("a.bin", GOOD[kind]()[:512]) == kind


@pytest.mark.parametrize("text", [b'{"name": {"a": 1}}', b'[1,2,3,{"a":1}]', b"12345678{}"])
def test_a_text_with_a_brace_in_the_ninth_place_is_a_text(text):
    with pytest.raises(CheckpointError, match=r"a\.json: is a text file"):
        tell_kind("a.json", text)
