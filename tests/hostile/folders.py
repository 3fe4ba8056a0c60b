"""Hugging Face folders, good and bad: a good one is written, and something of it spoiled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.hostile import safetensors_files
from tests.hostile.archives import FILES, flipped, reduce_payload, saved, with_pickle
from tests.tiny import random_model

CONFIG: Mapping[str, Any] = {"model_type": "gpt2", "n_layer": 2, "n_head": 2, "n_embd": 8, "n_positions": 6}
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
BIN_SHARDS = ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin")
INDEX = "model.safetensors.index.json"

Spoil = Callable[[Path, Path], object]
"""Changes a good folder; the second path is the canary's."""


def weights() -> dict[str, Tensor]:
    return random_model().state_dict()


def write_good(folder: Path, config: Mapping[str, Any] = CONFIG) -> Path:
    """A folder with config.json and model.safetensors."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(safetensors_files.of_tensors(weights(), format="pt"))
    return folder


def write_shards(folder: Path, *, as_bin: bool = False) -> None:
    """Put two shards and their index in the place of model.safetensors."""
    (folder / "model.safetensors").unlink()
    state = weights()
    first = dict(list(state.items())[:7])
    rest = {name: weight for name, weight in state.items() if name not in first}
    names = BIN_SHARDS if as_bin else SHARDS
    for name, part in zip(names, (first, rest), strict=True):
        (folder / name).write_bytes(saved(part) if as_bin else safetensors_files.of_tensors(part))
    index = {**dict.fromkeys(first, names[0]), **dict.fromkeys(rest, names[1])}
    write_index(folder, index, "pytorch_model.bin.index.json" if as_bin else INDEX)


def write_index(folder: Path, index: object, name: str = INDEX) -> None:
    (folder / name).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": index}))


def _config(**entries: object) -> Spoil:
    return _config_text(json.dumps({**CONFIG, **entries}))


def _config_text(text: str | bytes) -> Spoil:
    raw = text.encode() if isinstance(text, str) else text
    return lambda folder, canary: (folder / "config.json").write_bytes(raw)


def _weights(content: Callable[[], bytes]) -> Spoil:
    return lambda folder, canary: (folder / "model.safetensors").write_bytes(content())


def _only(name: str, content: Callable[[Path], bytes]) -> Spoil:
    """The weights in another file."""

    def spoil(folder: Path, canary: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(content(canary))

    return spoil


def _index(change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Shards whose index has been changed."""

    def spoil(folder: Path, canary: Path) -> None:
        write_shards(folder)
        content = json.loads((folder / INDEX).read_text())
        change(content["weight_map"])
        (folder / INDEX).write_text(json.dumps(content))

    return spoil


def _shards(change: Callable[[Path], object]) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        write_shards(folder)
        change(folder)

    return spoil


def _replace_config(make: Callable[[Path], object]) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        (folder / "config.json").unlink()
        make(folder / "config.json")

    return spoil


def _bin_shard_with_payload(folder: Path, canary: Path) -> None:
    write_shards(folder, as_bin=True)
    payload = with_pickle(reduce_payload(canary, 2))
    (folder / BIN_SHARDS[1]).write_bytes(payload)


def _nested(depth: int) -> object:
    return {"a": _nested(depth - 1)} if depth else 1


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


def _of_nan() -> bytes:
    return safetensors_files.of_tensors({**weights(), "lm_head.weight": torch.full((11, 8), float("nan"))})


def _empty(folder: Path, canary: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()


BAD: Mapping[str, tuple[Spoil, str]] = {
    "empty": (_empty, "has no config.json, so it is no folder of a model; it holds nothing"),
    "no config": (_replace_config(lambda path: None), "has no config.json"),
    # config.json
    "an empty config": (_config_text(""), "is no JSON"),
    "a config that is a pointer": (_config_text(FILES["Git LFS pointer"]()), "config.json: is no JSON"),
    "a config that is a web page": (_config_text(FILES["web page"]()), "config.json: is no JSON"),
    "a config that is a pickle": (lambda f, c: (f / "config.json").write_bytes(reduce_payload(c, 2)), "is no UTF-8"),
    "a config in UTF-16": (_config_text(json.dumps(dict(CONFIG)).encode("utf-16")), "is no UTF-8 (byte 0)"),
    "a config that is a list": (_config_text("[]"), "holds no object of settings"),
    "a config of 11 MB": (_replace_config(lambda p: _sparse(p, 11_000_000)), "and 10,000,000 is the most"),
    "a config that is a pipe": (_replace_config(os.mkfifo), "is not a regular file"),
    "a config that is a folder": (_replace_config(lambda p: p.mkdir()), "is not a regular file"),
    "a config that leads nowhere": (_replace_config(lambda p: p.symlink_to("/nowhere")), "no such file"),
    "a config key twice": (_config_text('{"model_type":"gpt2","n_layer":2,"n_layer":3}'), "the key 'n_layer' twice"),
    "NaN in the config": (_config_text('{"model_type":"gpt2","layer_norm_epsilon":NaN}'), "has the value NaN"),
    "infinity in the config": (_config_text('{"model_type":"gpt2","a":-Infinity}'), "has the value -Infinity"),
    "1e999 in the config": (_config_text('{"model_type":"gpt2","scale":1e999}'), "'scale' is a number beyond"),
    "a config 100 000 deep": (_config_text('{"a":' * 100_000), "config.json: is nested too deeply"),
    "a config 50 deep": (_config(a=_nested(50)), "is nested deeper than 32 levels"),
    "a config of a million lists": (_config_text('{"a":[' + "[]," * 1_000_000 + "[]]}"), "more than 1,000,000 values"),
    "no model_type": (_config_text("{}"), "has no model_type"),
    "a model_type that is a list": (_config(model_type=["gpt2"]), "has the model_type ['gpt2']"),
    "a model_type that is a path": (_config(model_type="../evil"), "has the model_type '../evil'"),
    "a key for Python": (_config(__class__="x"), "has the key '__class__'"),
    # Sizes and kinds that are not believed
    "10^9 layers": (_config(n_layer=10**9), "n_layer is 1000000000; the sizes that are read lie between 1 and 1,000"),
    "a width of 10^12": (_config(n_embd=10**12), "n_embd is 1000000000000"),
    "a width of 10^90": (_config(hidden_size=10**90), "hidden_size is 1000"),
    "a width of 5 000 digits": (_config_text('{"n_embd":' + "9" * 5000 + "}"), "a number of 5,000 digits"),
    "a vocabulary of 2^40": (_config(vocab_size=1 << 40), "vocab_size is 1099511627776"),
    "10^8 positions": (_config(n_positions=10**8), "n_positions is 100000000"),
    "a million experts": (_config(num_local_experts=10**6), "num_local_experts is 1000000"),
    "a huge layer in a list": (_config(intermediate_size=[64, 10**9]), "intermediate_size is 1000000000"),
    "a huge part": (_config(text_config={"hidden_size": 10**9}), "hidden_size is 1000000000"),
    "minus two heads": (_config(n_head=-2), "n_head is -2"),
    "no layers": (_config(n_layer=0), "n_layer is 0; the sizes that are read lie between 1 and 1,000"),
    "half a head": (_config(n_head=2.5), "n_head is 2.5, which is no whole number"),
    "true layers": (_config(n_layer=True), "n_layer is True, which is no whole number"),
    "a size that is a text": (_config(n_layer="2"), "n_layer is '2', which is no whole number"),
    "bitsandbytes": (_config(quantization_config={"quant_method": "bitsandbytes"}), "are quantised (bitsandbytes)"),
    "GPTQ": (_config(quantization_config={"quant_method": "gptq", "bits": 4}), "are quantised (gptq)"),
    "quantised in a part": (_config(text_config={"quantization_config": {}}), "its weights are quantised, which"),
    # The file with the weights
    "weights that are a pointer": (_weights(FILES["Git LFS pointer"]), "run `git lfs pull`"),
    "weights that are a web page": (_weights(FILES["web page"]), "model.safetensors: is a web page"),
    "no bytes of weights": (_weights(FILES["empty"]), "model.safetensors: is empty"),
    "weights cut short": (_weights(lambda: safetensors_files.of_tensors(weights())[:-1]), "is cut short"),
    "weights of NaN": (_weights(_of_nan), "lm_head.weight has 88 of 88 values that are NaN"),
    "weights that are GGUF": (_weights(lambda: b"GGUF" + bytes(range(99))), "is a GGUF file"),
    "weights that lead nowhere": (
        lambda f, c: ((f / "model.safetensors").unlink(), (f / "model.safetensors").symlink_to("../gone")),
        "model.safetensors: cannot be opened: no such file",
    ),
    "weights of TensorFlow": (_only("tf_model.h5", lambda c: FILES["HDF5"]()), "found config.json, tf_model.h5"),
    "weights of Flax": (_only("flax_model.msgpack", lambda c: b"\x81"), "found config.json, flax_model.msgpack"),
    "an adapter": (_only("adapter_config.json", lambda c: b"{}"), "is an adapter without its model"),
    "a payload in .bin": (_only("pytorch_model.bin", lambda c: with_pickle(reduce_payload(c, 2))), "posix.system"),
    "a bare pickle in .bin": (_only("pytorch_model.bin", lambda c: reduce_payload(c, 2)), "is a bare pickle"),
    "a whole model in .bin": (_only("pytorch_model.bin", lambda c: saved(random_model())), "holds more than weights"),
    "a flipped weight in .bin": (
        _only("pytorch_model.bin", lambda c: flipped(saved({"a": torch.ones(999)}), 2000)),
        "is damaged: the checksum",
    ),
    # Shards
    "an index that is no JSON": (_only(INDEX, lambda c: b"{"), "index.json: is no JSON"),
    "an index that is a list": (_only(INDEX, lambda c: b"[]"), "index.json: has no weight_map"),
    "an index of nothing": (_only(INDEX, lambda c: b'{"weight_map":{}}'), "has no weight_map of 1 to 100,000"),
    "an index that is a number": (_index(lambda index: index.update(a=3)), "names 3, which is no file"),
    "an index to the parent": (_index(lambda index: index.update(a="../x.safetensors")), "names '../x.safetensors'"),
    "an index to a folder": (_index(lambda index: index.update(a="sub/x.safetensors")), "names 'sub/x.safetensors'"),
    "an index to the system": (_index(lambda index: index.update(a="/etc/passwd")), "names '/etc/passwd'"),
    "an index to a hidden file": (_index(lambda index: index.update(a=".cache")), "names '.cache'"),
    "an index to the config": (_index(lambda index: index.update(a="config.json")), "config.json: is a text file"),
    "an index to 1 001 files": (
        _index(lambda index: index.update({f"a{i}": f"b{i}" for i in range(1001)})),
        "names more than 1,000 files",
    ),
    "a weight in the index alone": (_index(lambda index: index.update(a=SHARDS[0])), "it lacks a"),
    "a weight of a shard alone": (_index(lambda index: index.pop("lm_head.weight")), "it also has lm_head.weight"),
    "a weight in another shard": (
        _index(lambda index: index.update({"transformer.wte.weight": SHARDS[1]})),
        "it also has transformer.wte.weight",
    ),
    "a shard that is missing": (
        _shards(lambda folder: (folder / SHARDS[1]).unlink()),
        f"lacks 1 of its 2 files of weights: {SHARDS[1]}",
    ),
    "one shard twice": (
        _shards(lambda folder: (folder / SHARDS[1]).write_bytes((folder / SHARDS[0]).read_bytes())),
        f"{SHARDS[1]}: does not fit the index of its folder",
    ),
    "a shard that is a pointer": (
        _shards(lambda folder: (folder / SHARDS[1]).write_bytes(FILES["Git LFS pointer"]())),
        f"{SHARDS[1]}: is a Git LFS pointer",
    ),
    "a weight twice under two prefixes": (
        _shards(
            lambda folder: (
                (folder / SHARDS[0]).write_bytes(safetensors_files.of_tensors({"a": torch.ones(2)})),
                (folder / SHARDS[1]).write_bytes(safetensors_files.of_tensors({"module.a": torch.ones(2)})),
                write_index(folder, {"a": SHARDS[0], "module.a": SHARDS[1]}),
            )
        ),
        "two of its files hold a",
    ),
    "a shard in .bin with a payload": (_bin_shard_with_payload, "posix.system"),
    # The trainer's state
    "a state that is a list": (lambda f, c: (f / "trainer_state.json").write_text("[]"), "states no global_step"),
    "a step of 10^30": (
        lambda f, c: (f / "trainer_state.json").write_text(json.dumps({"global_step": 10**30})),
        "states no global_step",
    ),
    "a state cut short": (lambda f, c: (f / "trainer_state.json").write_text('{"a":'), "is no JSON"),
}


def _code(folder: Path, canary: Path) -> None:
    """Code of the folder's own, as repositories bring it for ``trust_remote_code``."""
    (folder / "modeling_evil.py").write_text(f"open({str(canary)!r}, 'w')\n")
    _add(folder, auto_map={"AutoModelForCausalLM": "modeling_evil.Evil", "AutoConfig": "modeling_evil.Config"})


def _kernel(folder: Path, canary: Path) -> None:
    """Attention whose code a library would fetch from somebody's repository."""
    _add(folder, _attn_implementation="evil/attention", attn_implementation="evil/attention", use_kernels=True)


def _add(folder: Path, **entries: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **entries}))


def _pickles(folder: Path, canary: Path) -> None:
    """What trainers leave beside a model, with payloads."""
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "pytorch_model.bin"):
        (folder / name).write_bytes(reduce_payload(canary, 2))


HARMLESS: Mapping[str, Spoil] = {
    "code of its own": _code,
    "a kernel of somebody's": _kernel,
    "pickles beside the weights": _pickles,
}
"""Folders that load, without what is in them being opened."""
