"""Compiles RASP programs with Tracr and writes each as a folder: config, weights, examples and the compiled circuit.

    pip install 'mechint[tracr]'
    python -m tests.known_answers.compile_tracr
    python -m tests.known_answers.write_circuits

A program becomes a transformer without norms whose residual stream has a named direction for every value. What is
written is all that the tests need, so that they need neither Tracr nor jax:

* ``config.json``: sizes, the vocabulary in the order of its ids, the values that the output's directions stand for
* ``model.safetensors``: the weights ``[out, in]``, float32
* ``examples.json``: inputs, and what RASP's own interpreter makes of them
* ``logits.safetensors``: what the compiled model reads off at each position, beginning with BOS, ``[n p v]``
* ``compiled.json``: the edges along which some direction is both written and read
"""

import itertools
import random
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file
from tracr.compiler import basis_inference, compiling, lib, nodes, rasp_to_graph
from tracr.rasp import rasp
from tracr.transformer.encoder import CategoricalEncoder

from tests.known_answers.files import TRACR, write_json

BOS, PAD = "BOS", "PAD"
EXAMPLES_OF_A_LENGTH = 16


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program with the inputs that it is compiled for."""

    name: str
    what: str
    make: rasp.SOp
    vocabulary: tuple
    max_seq_len: int
    unique: bool = False
    """Whether a token may stand only once in an input."""

    def inputs(self):
        """Up to EXAMPLES_OF_A_LENGTH inputs of every length, in a fixed random order."""
        chooser = random.Random(0)
        for length in range(1, self.max_seq_len + 1):
            choose = itertools.permutations if self.unique else lambda v, n: itertools.product(v, repeat=n)
            every = list(choose(self.vocabulary, length))
            yield from chooser.sample(every, min(EXAMPLES_OF_A_LENGTH, len(every)))


PROGRAMS = (
    Program(
        name="frac_prevs",
        what="at each position the share of x among the tokens so far",
        make=lib.make_frac_prevs(rasp.tokens == "x"),
        vocabulary=("w", "x", "y", "z"),
        max_seq_len=5,
    ),
    Program(
        name="reverse",
        what="the input backwards",
        make=lib.make_reverse(rasp.tokens),
        vocabulary=(1, 2, 3),
        max_seq_len=5,
    ),
    Program(
        name="hist",
        what="at each position how often its token stands in the input",
        make=lib.make_hist(),
        vocabulary=("a", "b", "c"),
        max_seq_len=5,
    ),
    Program(
        name="count_less_freq",
        what="at every position how many tokens stand once in the input",
        make=lib.make_count_less_freq(1),
        vocabulary=("a", "b", "c"),
        max_seq_len=5,
    ),
    Program(
        name="sort_unique",
        what="the input sorted; no token stands twice",
        make=lib.make_sort_unique(rasp.tokens, rasp.tokens),
        vocabulary=(1, 2, 3, 4),
        max_seq_len=4,
        unique=True,
    ),
    Program(
        name="sort",
        what="the input sorted; tokens may stand twice",
        make=lib.make_sort(rasp.tokens, rasp.tokens, max_seq_len=4, min_key=1),
        vocabulary=(1, 2, 3),
        max_seq_len=4,
    ),
    Program(
        name="pair_balance",
        what="at each position the share of ( minus the share of ) among the tokens so far",
        make=lib.make_pair_balance(rasp.tokens, "(", ")"),
        vocabulary=("(", ")", "a"),
        max_seq_len=6,
    ),
)


def main():
    for program in PROGRAMS:
        model = compiling.compile_rasp_to_model(
            program.make, set(program.vocabulary), program.max_seq_len, compiler_bos=BOS, compiler_pad=PAD
        )
        folder = TRACR / program.name
        folder.mkdir(parents=True, exist_ok=True)
        unembedding, inputs = unembedding_of(program, model), list(program.inputs())
        weights = weights_of(model, unembedding)
        logits = logits_of(program, model, inputs, unembedding)
        examples = [{"input": list(tokens), "output": interpret(program, model, tokens)} for tokens in inputs]
        write_json(folder / "config.json", config_of(program, model))
        save_file(weights, folder / "model.safetensors")
        save_file({"logits": logits}, folder / "logits.safetensors")
        write_json(folder / "examples.json", {"examples": examples})
        write_json(folder / "compiled.json", circuit_of(edges_of(model.model_config, weights)))
        print(f"{program.name}: {len(inputs)} examples, {sum(weight.size for weight in weights.values())} weights")


def interpret(program, model, tokens):
    """What RASP's own interpreter makes of an input; a share of nothing else than x is the number 1, not True."""
    values = program.make(list(tokens))
    return list(values) if is_categorical(model) else [float(value) for value in values]


def is_categorical(model):
    """Whether the output is one of some values, each with a direction, and not a number along one direction."""
    return isinstance(model.output_encoder, CategoricalEncoder)


def unembedding_of(program, model):
    """One row for each value of the output, or one row for a number: ``[v d]``."""
    extracted = rasp_to_graph.extract_rasp_graph(program.make)
    basis_inference.infer_bases(extracted.graph, extracted.sink, set(program.vocabulary), program.max_seq_len)
    directions = sorted(extracted.sink[nodes.OUTPUT_BASIS])
    if is_categorical(model):
        assert [model.output_encoder.encoding_map[each.value] for each in directions] == list(range(len(directions)))
    rows = np.zeros((len(directions), len(model.residual_labels)), np.float32)
    for row, direction in enumerate(directions):
        rows[row, model.residual_labels.index(str(direction))] = 1
    return rows


def weights_of(model, unembedding):
    """Every weight by its name in mechint, ``[out, in]``."""
    given = {
        name: {key: np.asarray(value, np.float32) for key, value in part.items()} for name, part in model.params.items()
    }
    weights = {
        "embed.weight": given["token_embed"]["embeddings"],
        "positions.weight": given["pos_embed"]["embeddings"],
        "unembed.weight": unembedding,
    }
    names = {"attn/query": "attn.q", "attn/key": "attn.k", "attn/value": "attn.v", "attn/linear": "attn.o"}
    names |= {"mlp/linear_1": "mlp.up", "mlp/linear_2": "mlp.down"}
    for layer in range(model.model_config.num_layers):
        for theirs, ours in names.items():
            part = given[f"transformer/layer_{layer}/{theirs}"]
            weights[f"blocks.{layer}.{ours}.weight"] = np.ascontiguousarray(part["w"].T)
            weights[f"blocks.{layer}.{ours}.bias"] = part["b"]
    return weights


def config_of(program, model):
    sizes, encoder = model.model_config, model.input_encoder
    assert sizes.layer_norm is False
    assert sizes.causal is False
    by_id = sorted(encoder.encoding_map, key=encoder.encoding_map.get)
    outputs = model.output_encoder.encoding_map if is_categorical(model) else None
    return {
        "model_type": "tracr",
        "program": program.name,
        "computes": program.what,
        "num_hidden_layers": sizes.num_layers,
        "num_attention_heads": sizes.num_heads,
        "head_dim": sizes.key_size,
        "hidden_size": len(model.residual_labels),
        "intermediate_size": sizes.mlp_hidden_size,
        "vocab_size": len(by_id),
        "max_position_embeddings": program.max_seq_len + 1,
        "vocabulary": by_id,
        "bos_token_id": encoder.bos_encoding,
        "pad_token_id": encoder.pad_encoding,
        "output_values": None if outputs is None else sorted(outputs, key=outputs.get),
        "residual_stream": model.residual_labels,
    }


def logits_of(program, model, inputs, unembedding):
    """What is read off the last residual stream, ``[n p v]``, zero at padding; checked against Tracr's own decoding."""
    logits = np.zeros((len(inputs), program.max_seq_len + 1, len(unembedding)), np.float32)
    for row, tokens in enumerate(inputs):
        ran = model.apply([BOS, *tokens])
        read = np.asarray(jnp.asarray(ran.transformer_output[0]) @ unembedding.T)  # [p v]
        unembedded = np.asarray(ran.unembedded[0])
        assert np.array_equal(read.argmax(-1) if is_categorical(model) else read[:, 0], unembedded), tokens
        expected = interpret(program, model, tokens)
        decoded = ran.decoded[1:]
        agrees = decoded == expected if is_categorical(model) else np.allclose(decoded, expected, atol=1e-4)
        assert agrees, (program.name, tokens, ran.decoded, expected)
        logits[row, : len(read)] = read
    return logits


def edges_of(sizes, weights):
    """Pairs of a part and a later input that reads a direction of the residual stream which the part writes."""
    readers, writers = {}, {"emb": (-1, written([weights["embed.weight"], weights["positions.weight"]]))}
    for layer in range(sizes.num_layers):
        block, k = f"blocks.{layer}", sizes.key_size
        for head in range(sizes.num_heads):
            rows = slice(head * k, (head + 1) * k)
            for part in "qkv":
                read = np.abs(weights[f"{block}.attn.{part}.weight"][rows]).sum(0) > 0
                readers[f"A{layer}.{head}.{part.upper()}"] = (2 * layer, read)
            writers[f"A{layer}.{head}"] = (2 * layer, written([weights[f"{block}.attn.o.weight"][:, rows].T]))
        readers[f"M{layer}"] = (2 * layer + 1, np.abs(weights[f"{block}.mlp.up.weight"]).sum(0) > 0)
        writers[f"M{layer}"] = (2 * layer + 1, written([weights[f"{block}.mlp.down.weight"].T]))
    readers["out"] = (2 * sizes.num_layers, np.abs(weights["unembed.weight"]).sum(0) > 0)
    return [
        [writer, reader]
        for writer, (before, given) in writers.items()
        for reader, (after, taken) in readers.items()
        if before < after and (given & taken).any()
    ]


def circuit_of(edges):
    """The edges, and the heads and MLPs that they leave."""
    return {"units": sorted({writer for writer, _ in edges} - {"emb"}), "edges": edges}


def written(parts):
    """The directions that any row of the matrices ``[… d]`` writes to: ``[d]``."""
    return np.abs(np.concatenate(parts)).sum(0) > 0


if __name__ == "__main__":
    main()
