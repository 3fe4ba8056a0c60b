"""``mechint doctor``: what a checkpoint is, and whether its sites keep their promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from mechint.checkpoint.discover import find_checkpoints
from mechint.engine.plugins import Plugins
from mechint.errors import CheckpointError, UsageError
from mechint.spec.checkpoints import Reference
from mechint.spec.suggest import did_you_mean
from mechint.subject.architecture import Architecture

if TYPE_CHECKING:
    from mechint.subject.selfcheck import Check
    from mechint.subject.subject import Subject

__all__ = ["Examined", "examine", "state"]

_BATCH, _WINDOW = 16, 128
"""Of the search whose memory is estimated: kv_circuit's default batch."""
_LIKELIEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A checkpoint, described."""

    lines: tuple[str, ...]
    sound: bool
    """Whether every promise of its table held."""


def state(path: str, facts: Sequence[str]) -> Reference:
    """A reference with facts given as ``n_head=12``; UsageError for what is no fact of a checkpoint."""
    known = [key for key in Reference.model_fields if key not in ("path", "expect")]
    stated = dict(fact.partition("=")[::2] for fact in facts)
    for key, value in stated.items():
        if key not in known or not value:
            raise UsageError(
                f"--set {key}={value} states no fact of a checkpoint{did_you_mean(key, known)}\n"
                f"  hint: write it as KEY=VALUE with one of {', '.join(known)}"
            )
    try:
        return Reference.model_validate({"path": path, **stated})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"--set {first['loc'][0]}={first['input']}: {first['msg'].lower()}") from None


def examine(reference: Reference, plugins: Plugins, prompt: str | None = None) -> Examined:
    """Load the one checkpoint of a reference and describe it, line by line."""
    from mechint.subject.load import load_subject
    from mechint.subject.selfcheck import check_sites

    sources = find_checkpoints([reference])
    if len(sources) > 1:
        listed = "\n".join(f"  {source.name}" for source in sources[:12])
        raise UsageError(f"{reference.path!r} stands for {len(sources)} checkpoints; name one of them\n{listed}")
    subject = load_subject(sources[0], plugins.collect("mechint_architectures", Architecture))
    checks = check_sites(subject)
    lines = [*_facts(subject, Path(sources[0].path)), "", "sites", *_sites(subject), "", "self-check"]
    lines += [_checked(check) for check in checks]
    if prompt is not None:
        lines += ["", f"after {prompt!r}", *_likeliest(subject, prompt)]
    return Examined(lines=tuple(lines), sound=all(check.held for check in checks))


def _facts(subject: Subject, path: Path) -> list[str]:
    from mechint.subject.memory import held_per_token, weight_bytes

    shape, precision = subject.shape, _word(subject.dtype)
    heads = f"{shape.n_head} of {shape.d_head}"
    if shape.n_kv_head != shape.n_head:
        heads += f", sharing {shape.n_kv_head} key and value heads"
    parameters = sum(weight.numel() for weight in subject.model.parameters())
    held = held_per_token(subject) * _BATCH * min(_WINDOW, shape.context)
    neurons = f", {shape.d_mlp:,} neurons a layer" if shape.d_mlp else ""
    search = f", searches in {_word(subject.search_dtype)}" if subject.search_dtype != subject.dtype else ""
    facts = {
        "checkpoint": subject.name,
        "file": str(path) if str(path) != subject.name else None,
        "sha256": subject.sha256,
        "step": None if subject.step is None else str(subject.step),
        "model": type(subject.model).__name__,
        "sites of": subject.architecture.name,
        "sizes": f"{shape.n_layer} layers, width {shape.d_model:,}{neurons}, vocabulary {shape.n_vocab:,}",
        "heads": heads,
        "context": f"{shape.context:,} tokens",
        "parameters": f"{parameters:,} in {precision}",
        "runs on": f"{subject.device.type}, measures in {precision}{search}",
        "tokenizer": _tokenizer(subject),
        "memory": f"{_size(weight_bytes(subject))} of weights, and about {_size(held)} in a search with {_BATCH} "
        f"examples of {min(_WINDOW, shape.context)} tokens",
    }
    return [f"{name:<12}{value}" for name, value in facts.items() if value is not None]


def _tokenizer(subject: Subject) -> str:
    try:
        return subject.tokenizer().name
    except CheckpointError as error:
        return f"none: {str(error).splitlines()[0]}"


def _sites(subject: Subject) -> list[str]:
    """One line a kind of site: its name, its shape, and the module where it lies in layer 0."""
    from mechint.circuit.space import Site
    from mechint.subject.architecture import EMBED, KINDS

    architecture, lines = subject.architecture, []
    for kind in KINDS:
        if kind not in architecture.sites:
            lines.append(f"  {kind:<11}none: {architecture.absent.get(kind, 'the table has no place for it')}")
            continue
        site = EMBED if kind == EMBED.kind else Site(0, kind)
        units, tap = subject.units(site), architecture.tap(site)
        shape = f"[b p {units.heads}*{units.width}]" if units.heads > 1 else f"[b p {units.width}]"
        part = f", {kind} of its {tap.fused} q, k and v" if tap.fused else ""
        lines.append(f"  {kind:<11}{shape:<14}{'input' if tap.side == 'in' else 'output'} of {tap.module}{part}")
    return lines


def _checked(check: Check) -> str:
    detail = f": {check.detail}" if check.detail else ""
    return f"  {'held' if check.held else 'BROKEN':<8}{check.promise}{detail}"


def _likeliest(subject: Subject, prompt: str) -> list[str]:
    """The most probable next tokens of a prompt, with their probabilities."""
    import torch

    tokenizer = subject.tokenizer()
    ids = tokenizer.encode(prompt)
    if not 1 <= len(ids) <= subject.shape.context:
        raise UsageError(f"the prompt has {len(ids)} tokens; the model reads 1 to {subject.shape.context:,}")
    if max(ids) >= subject.shape.n_vocab:
        raise UsageError(
            f"the prompt has token {max(ids)}, and the model's vocabulary has {subject.shape.n_vocab} ids; the "
            "tokenizer is not the model's"
        )
    with torch.no_grad():
        probabilities = subject.logits(torch.tensor([ids]))[0, -1].softmax(-1)  # [v]
    top = probabilities.topk(min(_LIKELIEST, len(probabilities)))
    return [
        f"  {share:.3f}  {tokenizer.decode([token])!r}"
        for share, token in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]


def _word(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
