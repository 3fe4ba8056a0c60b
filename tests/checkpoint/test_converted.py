"""GGUF files become folders: once, whole, and with the same model in them."""

import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging as transformers_logging

from mechint.checkpoint import converted
from mechint.checkpoint.converted import converted_gguf
from mechint.errors import CheckpointError
from mechint.files import sha256_of

gguf = pytest.importorskip("gguf", reason="needs the extra mechint[gguf]")
pytest.importorskip("accelerate", reason="needs the extra mechint[gguf]")

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
PROMPT = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


@pytest.fixture(scope="module")
def llama():
    """Two layers, four heads on two key-value heads, and weights so large that order matters."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=256, max_position_embeddings=16, rms_norm_eps=1e-5, initializer_range=0.3,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def tensors_of(model):
    """The model's weights as llama.cpp's converter writes them."""
    weights = {name: weight.detach().numpy() for name, weight in model.named_parameters()}
    found = {
        "token_embd": weights["model.embed_tokens.weight"],
        "output_norm": weights["model.norm.weight"],
        "output": weights["lm_head.weight"],
    }
    for layer in range(2):
        for name, short in NAMES.items():
            found[f"blk.{layer}.{short}"] = weights[f"model.layers.{layer}.{name}.weight"]
        for short, heads in (("attn_q", 4), ("attn_k", 2)):
            rows = found[f"blk.{layer}.{short}"].reshape(heads, 2, 4, 32)
            found[f"blk.{layer}.{short}"] = rows.swapaxes(1, 2).reshape(heads * 8, 32)
    return {f"{name}.weight": np.ascontiguousarray(array) for name, array in found.items()}


@pytest.fixture
def write_gguf(tmp_path, llama):
    """Writes the model, with changes, and gives path and hash."""

    def write(extra=None, *, leave_out=(), tokens=False, state=lambda writer: None):
        path = tmp_path / "tiny.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        for name, value in {"context_length": 16, "embedding_length": 32, "block_count": 2, "feed_forward_length": 64,
                            "head_count": 4, "head_count_kv": 2, "rope_dimension_count": 8, "vocab_size": 256,
                            "layer_norm_rms_eps": 1e-5, "rope_freq_base": 10000.0}.items():  # fmt: skip
            getattr(writer, f"add_{name}")(value)
        if tokens:
            add_bytes_tokenizer(writer)
        state(writer)
        for name, array in {**tensors_of(llama), **(extra or {})}.items():
            if name not in leave_out:
                writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return str(path), sha256_of(path)

    return write


def add_bytes_tokenizer(writer):
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*list(bytes_to_unicode().values())[:255], "ab"])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MECHINT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache/gguf"


def folders(cache):
    return [entry for entry in cache.iterdir() if entry.is_dir()]


def test_the_folder_holds_the_same_model(write_gguf, llama):
    """llama.cpp's order of the rows of q and k is undone: rotary positions would turn other pairs."""
    loaded = LlamaForCausalLM.from_pretrained(converted_gguf(*write_gguf()))
    assert torch.equal(loaded(PROMPT).logits, llama(PROMPT).logits)
    assert loaded.dtype == torch.float32


def test_the_folder_is_named_after_the_file_and_the_versions_that_read_it(write_gguf, cache):
    path, sha256 = write_gguf()
    folder = converted_gguf(path, sha256)
    assert folder.parent == cache
    assert folder.name == f"{sha256}-transformers{metadata.version('transformers')}-gguf{metadata.version('gguf')}"


def test_a_tokenizer_comes_along(write_gguf):
    folder = converted_gguf(*write_gguf(tokens=True))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer.encode("hi there", add_special_tokens=False)) == "hi there"


def test_a_file_without_a_tokenizer_gives_none(write_gguf):
    assert not list(converted_gguf(*write_gguf()).glob("tokenizer*"))


def test_it_is_made_once(write_gguf):
    path, sha256 = write_gguf()
    made = (converted_gguf(path, sha256) / "model.safetensors").stat().st_mtime_ns
    Path(path).unlink()
    assert (converted_gguf(path, sha256) / "model.safetensors").stat().st_mtime_ns == made


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "manifest.json"])
def test_a_damaged_folder_is_made_again(write_gguf, name):
    path, sha256 = write_gguf()
    damaged = converted_gguf(path, sha256) / name
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-9] + b"}")
    assert (converted_gguf(path, sha256) / name).read_bytes() == whole


def test_a_file_that_was_put_there_is_swept(write_gguf):
    path, sha256 = write_gguf()
    folder = converted_gguf(path, sha256)
    (folder / "adapter_config.json").write_text("{}")
    assert not (converted_gguf(path, sha256) / "adapter_config.json").exists()


def test_what_a_killed_process_left_is_swept(write_gguf, cache):
    path, sha256 = write_gguf()
    folder = converted_gguf(path, sha256)
    shutil.move(folder, cache / f".{folder.name}.killed")
    again = converted_gguf(path, sha256)
    assert folders(cache) == [again]


def test_two_at_once_make_one_folder(write_gguf, cache, monkeypatch):
    calls = []
    monkeypatch.setattr(converted, "_make", lambda *given, make=converted._make: (calls.append(given), make(*given)))
    path, sha256 = write_gguf()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: converted_gguf(path, sha256), range(2))
    assert folders(cache) == [first] == [second]
    assert len(calls) == 1


def test_nothing_beside_the_file_is_read(write_gguf, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    config = json.loads((converted_gguf(*write_gguf()) / "config.json").read_text())
    assert config["model_type"] == "llama"


def test_nothing_is_printed_and_the_settings_come_back(write_gguf, capfd):
    transformers_logging.set_verbosity(logging.INFO)
    try:
        converted_gguf(*write_gguf())
        assert transformers_logging.get_verbosity() == logging.INFO
        assert transformers_logging.is_progress_bar_enabled()
    finally:
        transformers_logging.set_verbosity(logging.WARNING)
    assert capfd.readouterr() == ("", "")


def test_missing_weights_are_refused_by_name(write_gguf, cache):
    given = write_gguf(leave_out=("blk.1.ffn_up.weight",))
    with pytest.raises(
        CheckpointError, match=r"lacks weights of the LlamaForCausalLM .*layers\.1\.mlp\.up_proj\.weight"
    ):
        converted_gguf(*given)
    assert folders(cache) == []


def test_weights_that_transformers_passes_over_are_refused(write_gguf):
    """Llama 3's frequencies: without them, other positions are computed."""
    given = write_gguf({"rope_freqs.weight": np.ones(4, dtype=np.float32)})
    with pytest.raises(CheckpointError, match=r"holds 34,980 numbers .* LlamaForCausalLM .* has 34,976"):
        converted_gguf(*given)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN), "scaling.type 'yarn', .* 'default'"),
        (lambda writer: writer.add_sliding_window(8), "attention.sliding_window 8, .* None"),
    ],
)
def test_settings_that_transformers_passes_over_are_refused(write_gguf, state, says):
    with pytest.raises(CheckpointError, match=says):
        converted_gguf(*write_gguf(state=state))


def test_positions_stated_to_be_plain_are_fine(write_gguf):
    given = write_gguf(state=lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.NONE))
    assert converted_gguf(*given).is_dir()


def test_a_file_that_changed_meanwhile_is_refused(write_gguf):
    path, _ = write_gguf()
    with pytest.raises(CheckpointError, match="changed while it was read"):
        converted_gguf(path, "0" * 64)


@pytest.mark.parametrize(
    "damage", [lambda whole: b"GGUF", lambda whole: b"GGUF" + b"\xff" * 500, lambda whole: whole[:900]]
)
def test_a_damaged_file_is_one_error(write_gguf, damage):
    path = Path(write_gguf()[0])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=rf"^{path}: transformers cannot read this GGUF \(.+\)$"):
        converted_gguf(str(path), "0" * 64)


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_a_missing_package_is_named_with_what_installs_it(write_gguf, monkeypatch, package):
    def version(name):
        if name == package:
            raise metadata.PackageNotFoundError
        return "1"

    monkeypatch.setattr(converted, "version", version)
    with pytest.raises(
        CheckpointError, match=rf"{package}, which.*not installed\n  hint: pip install 'mechint\[gguf\]'"
    ):
        converted_gguf(*write_gguf())


def test_a_cache_that_cannot_be_written_says_where_it_is(write_gguf, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MECHINT_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(CheckpointError, match=r"cannot be kept in .*/file/gguf .*\n  hint: .*MECHINT_CACHE_DIR"):
        converted_gguf(*write_gguf())
