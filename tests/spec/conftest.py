"""A catalog of invented plugins, and a spec that uses all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, model_validator

from mechint.errors import Fault, SpecError
from mechint.spec.catalog import Catalog
from mechint.spec.document import Document, parse_document
from mechint.spec.grammar import Grammar, compile_grammar
from mechint.spec.options import OptionsModel
from mechint.spec.override import apply_overrides
from mechint.spec.read import build_spec
from mechint.spec.values import Spec

SPEC = """\
version: 1
name: kv_ablation
description: Which channels the next byte needs.
tags: [kv, ablation]
checkpoints: output/final_model_step*.pt
task:
  name: tokens
  path: data/stdlib
  metric: loss
  examples: {train: 512, validation: 128}
method:
  name: masks
  target_sparsity: 0.8
  steps: 200
  learning_rate: 1e-3
  hard: true
schedules:
  sparsity: cubic
  temperature: {shape: linear, start: 1.0, end: 0.1}
faithfulness:
  ablation: mean
  controls: {random: 20, complement: true}
  assert:
    - faithfulness >= 0.8
    - {metric: sparsity, at_least: 0.79, severity: warn}
seed: 7
output_dir: results/kv
"""


class Examples(OptionsModel):
    """How many examples the search and the judgement see."""

    train: Annotated[int, Field(ge=1)] = 512
    validation: int = 128


class Tokens(OptionsModel):
    """Windows of text."""

    path: str
    """The folder of the text."""
    examples: Examples = Examples()


class Masks(OptionsModel):
    """A search that learns masks."""

    target_sparsity: Annotated[float, Field(gt=0, lt=1)]
    """The share of units to drop."""
    steps: Annotated[int, Field(ge=1)] = 100
    warm_steps: int = 0
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    hard: bool = False
    estimator: Literal["straight_through", "hard_concrete"] = "straight_through"
    patience: int | None = None
    sites: tuple[str, ...] = ("k", "v")
    batch: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"

    @model_validator(mode="after")
    def _warms_before_the_end(self) -> Self:
        if self.warm_steps >= self.steps:
            raise ValueError(f"warm_steps ({self.warm_steps}) must be below steps ({self.steps})")
        return self


class Patching(OptionsModel):
    """A search without masks."""

    threshold: float = 0.1


class Board(OptionsModel):
    """Shows curves."""

    project: str
    mode: Literal["online", "offline"] = "online"


CATALOG = Catalog(
    methods={"masks": Masks, "patching": Patching, "sleeping": None},
    tasks={"tokens": Tokens, "pairs": OptionsModel},
    trackers={"board": Board, "blackboard": None},
    metrics=("loss", "accuracy", "kl_div"),
    measures=("faithfulness", "completeness", "sparsity", "loss_increase"),
    learns_masks=frozenset({"masks"}),
)

Read = Callable[..., Spec]
Faults = Callable[..., list[str]]


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    return compile_grammar(CATALOG)


@pytest.fixture
def document() -> Document:
    return parse_document("s.yaml", SPEC.encode())


@pytest.fixture
def read(grammar: Grammar) -> Read:
    """Build a spec from a text in which some lines are replaced."""

    def read(*changes: tuple[str, str], sets: tuple[str, ...] = (), text: str = SPEC) -> Spec:
        for old, new in changes:
            assert old in text, f"{old!r} is not in the spec"
            text = text.replace(old, new)
        return build_spec(apply_overrides(parse_document("s.yaml", text.encode()), sets), grammar)

    return read


@pytest.fixture
def faults(read: Read) -> Faults:
    """The messages that a changed spec gets."""

    def faults(*changes: tuple[str, str], sets: tuple[str, ...] = (), text: str = SPEC) -> list[str]:
        with pytest.raises(SpecError) as caught:
            read(*changes, sets=sets, text=text)
        return [str(fault) for fault in caught.value.faults]

    return faults


def faults_of(document: Document, grammar: Grammar) -> list[Fault]:
    try:
        build_spec(document, grammar)
    except SpecError as error:
        return list(error.faults)
    return []
