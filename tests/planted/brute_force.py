"""Ablating every unit of a site alone, by a loop of its own, to hold against what was planted."""

from __future__ import annotations

from contextlib import contextmanager

import torch

from mechint.circuit.space import Site


@torch.no_grad()
def changed_by_each(model, site, tokens):
    """Whether any logit differs in any bit when a unit is zero, ``[units]``: heads of z, else channels.

    All units are ablated in one pass, on a copy of the tokens each, and compared with a pass on as many copies.
    """
    width = model.config.n_embd // model.config.n_head if site.kind == "z" else 1
    count = (4 if site.kind == "mlp_post" else 1) * model.config.n_embd // width
    copies = tokens.repeat(count, 1)  # [count*b p]
    kept = torch.ones(count, count, width)
    kept[range(count), range(count)] = 0
    mask = kept.flatten(1).repeat_interleave(len(tokens), dim=0).unsqueeze(1)  # [count*b 1 u]
    with multiplied(model, {site: mask}):
        ablated = model(copies)
    return (ablated != model(copies)).unflatten(0, (count, -1)).flatten(1).any(1)


@contextmanager
def multiplied(model, masks):
    """Every forward pass in the block with the sites' activations times their masks."""
    handles = []
    for site, mask in masks.items():
        block = model.get_submodule(f"transformer.h.{site.layer}")
        if site.kind == "mlp_post":
            handles.append(block.mlp.c_proj.register_forward_pre_hook(lambda _, args, m=mask: (args[0] * m,)))
        else:
            module = block.attn.get_submodule(site.kind)
            handles.append(module.register_forward_hook(lambda _, args, out, m=mask: out * m))
    yield
    for handle in handles:
        handle.remove()


def complement(planted):
    """For each planted site the mask ``[u]`` that is zero at its planted units, and one that is zero at all others."""
    config, outside, inside = planted.model.config, {}, {}
    for layer in range(config.n_layer):
        for kind in planted.kinds:
            width = config.n_embd // config.n_head if kind == "z" else 1
            count = (4 if kind == "mlp_post" else 1) * config.n_embd
            mask = torch.zeros(count // width, width)
            mask[list(planted.truth.get(Site(layer, kind), ()))] = 1
            inside[Site(layer, kind)], outside[Site(layer, kind)] = mask.flatten(), 1 - mask.flatten()
    return outside, inside
