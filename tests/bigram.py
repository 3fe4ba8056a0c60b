"""Models in which a few planted neurons know which token follows which, and a task that needs just that."""

from __future__ import annotations

import torch

from mechint.circuit.space import Site
from mechint.subject.nanogpt import GPT, GPTConfig
from mechint.task.examples import Examples
from mechint.task.task import Task
from tests.tiny import metric_named

VOCAB, FIRST, WIDTH, LENGTH = 11, 6, 16, 6


def follower(seed: int) -> torch.Tensor:
    """The token that follows each token, ``[v]``: a ring of the first six and one of the others, both by the seed.

    So what layer 0 writes is never what layer 1 reads.
    """
    generator = torch.Generator().manual_seed(seed)
    follows = torch.empty(VOCAB, dtype=torch.long)
    for ring in (torch.arange(FIRST), torch.arange(FIRST, VOCAB)):
        order = ring[torch.randperm(len(ring), generator=generator)]
        follows[order] = order.roll(-1)
    return follows


def planted(seed: int) -> dict[Site, tuple[int, ...]]:
    """The neurons that know: of layer 0 for the first six tokens, of layer 1 for the others."""
    generator = torch.Generator().manual_seed(100 + seed)
    first, second = (torch.randperm(4 * WIDTH, generator=generator)[:count] for count in (FIRST, VOCAB - FIRST))
    return {Site(0, "mlp_post"): tuple(first.tolist()), Site(1, "mlp_post"): tuple(second.tolist())}


def bigram_model(seed: int) -> GPT:
    """Embeddings at right angles, silent attention, and for each token a neuron that fires on it alone.

    It reads ``2 e`` of its token ``e``, which the norm makes about 4 long, less 5, so that it is about 3 there and near
    0 elsewhere, and writes half the embedding of the token that follows. Other neurons fire at random and write little.
    """
    model = GPT(GPTConfig(n_layer=2, n_head=2, n_embd=WIDTH, block_size=LENGTH, vocab_size=VOCAB))
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.linalg.qr(torch.randn(WIDTH, VOCAB, generator=generator)).Q.T  # [v d]
    model.requires_grad_(requires_grad=False)
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
    model.get_parameter("transformer.wte.weight").copy_(embeddings)
    token = 0
    for site, neurons in planted(seed).items():
        mlp = model.get_submodule(f"transformer.h.{site.layer}.mlp")
        mlp.c_fc.weight.copy_(torch.randn(mlp.c_fc.weight.shape, generator=generator) / 4)
        mlp.c_proj.weight.copy_(0.002 * torch.randn(mlp.c_proj.weight.shape, generator=generator))
        for neuron in neurons:
            mlp.c_fc.weight[neuron] = 2 * embeddings[token]
            mlp.c_fc.bias[neuron] = -5
            mlp.c_proj.weight[:, neuron] = embeddings[follower(seed)[token]] / 2
            token += 1
    return model


def bigram_task(seed: int, metric: str = "loss", *, search: int = 32) -> Task:
    """Random tokens, each to be followed by the one that the planted neurons know."""

    def examples(count: int, draw: int) -> Examples:
        tokens = torch.randint(VOCAB, (count, LENGTH), generator=torch.Generator().manual_seed(draw))
        return Examples(tokens=tokens, targets=follower(seed)[tokens])

    return Task(search=examples(search, 1), heldout=examples(16, 2), metric=metric_named(metric), description="bigrams")
