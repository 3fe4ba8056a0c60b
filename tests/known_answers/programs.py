"""The compiled programs beside this file: models, inputs with what comes of them, and a judge of circuits of edges."""

import json
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor

from mechint.circuit.edges import keep_needed, parts_on
from mechint.subject.edges import EdgeRuns
from mechint.subject.load import load_subject
from mechint.subject.subject import Subject
from tests.known_answers.files import TRACR

PROGRAMS = tuple(sorted(folder.name for folder in TRACR.iterdir()))
ABLATIONS = ("zero", "resample")
SAME = 1e-3
"""Outputs that differ by no more are the same: an edge that does not matter moves one by at most 2e-6, any other edge
moves one by .7 or more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A compiled program and its examples, padded on the right."""

    name: str
    subject: Subject
    values: list | None
    """What the logits stand for; None where the only logit is the output, a number."""
    tokens: Tensor
    """``[n p]``, beginning with BOS."""
    mask: Tensor
    """``[n p]``."""
    outputs: list[list]
    """What RASP's interpreter makes of each input."""
    logits: Tensor
    """What Tracr's own model gives, ``[n p v]``."""

    @property
    def where(self):
        """``[n p]``, true at the inputs' tokens; a program's output at BOS means nothing."""
        return self.mask & (torch.arange(self.mask.shape[1]) > 0)

    @property
    def partners(self):
        """``[n]``, for each example the next one of its length, and the first for the last."""
        lengths, partners = self.mask.sum(1), torch.arange(len(self.mask))
        for length in lengths.unique():
            rows = (lengths == length).nonzero().flatten()
            partners[rows] = rows.roll(-1)
        return partners

    def circuit(self, kind):
        """A circuit that is written down: the names of its edges and of its units."""
        content = json.loads((TRACR / self.name / f"{kind}.json").read_text())
        return {f"{writer}->{reader}" for writer, reader in content["edges"]}, set(content["units"])


def load_program(name):
    folder = TRACR / name
    subject = load_subject(str(folder))
    config = json.loads((folder / "config.json").read_text())
    examples = json.loads((folder / "examples.json").read_text())["examples"]
    vocabulary, bos, pad = (config[key] for key in ("vocabulary", "bos_token_id", "pad_token_id"))
    inputs = [[bos, *map(vocabulary.index, example["input"])] for example in examples]
    mask = torch.tensor([[at < len(ids) for at in range(subject.shape.context)] for ids in inputs])
    return Program(
        name=name,
        subject=subject,
        values=config["output_values"],
        tokens=torch.tensor([ids + [pad] * (subject.shape.context - len(ids)) for ids in inputs]),
        mask=mask,
        outputs=[example["output"] for example in examples],
        logits=load_file(folder / "logits.safetensors")["logits"],
    )


class Judge:
    """Says how much a program's outputs change when edges outside a circuit are ablated."""

    def __init__(self, program, ablation):
        self.where = program.where
        self.runs = EdgeRuns(program.subject, program.tokens, program.mask)
        self.stand_in = {}
        if ablation == "resample":
            self.stand_in = EdgeRuns(program.subject, program.tokens[program.partners], program.mask).written()

    def change(self, kept):
        """The largest difference that any output of any example makes."""
        return float((self.runs.logits(kept, self.stand_in) - self.runs.full).abs()[self.where].max())

    def find(self):
        """The edges that are left when each is dropped that does not change the output."""
        return keep_needed(self.runs.space, lambda kept: self.change(kept) <= SAME)

    def names(self, edges):
        """Of edges in the order of their inputs, and of the heads and MLPs on them."""
        space = self.runs.space
        return [str(edge) for edge in space.edges if edge in edges], [str(part) for part in parts_on(edges, space)]
