"""What was found about single neurons, as tables for a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from mechint.circuit.circuit import Circuit
from mechint.circuit.space import Site
from mechint.results.describe import number
from mechint.results.values import TitledTable
from mechint.search.neurons import KIND, Firings, Portraits
from mechint.task.examples import Examples

__all__ = ["Decode", "describe_firings", "describe_neurons"]

Decode = Callable[[Sequence[int]], str]
"""From token ids to their text."""

WINDOW = 8
"""Tokens that are shown on either side of the one that a neuron fires on."""


def describe_neurons(
    portraits: Portraits, circuit: Circuit, moved: tuple[Tensor, Tensor] | None, toward: str, decode: Decode
) -> TitledTable:
    """One row a neuron; ``moved`` are the tokens ``[t c]`` it raises and those it lowers, None where not known.

    ``toward`` says which logit the direct effect is on.
    """
    note = "The best neurons of each layer by score. The mean activation is over the scored positions."
    words, numbers = ["Neuron", "Kept"], ["Score", "Mean activation"]
    if moved is not None:
        words, numbers = [*words, "Raises", "Lowers"], [*numbers, "Direct effect"]
        note += (
            " A positive activation raises and lowers the logits of these tokens most, straight through the last norm "
            f"and the unembedding. The direct effect is the mean of what the neuron adds that way to {toward}; what "
            "later layers make of it is left out."
        )
    rows = zip(*(_column(name, portraits, circuit, moved, decode) for name in (*words, *numbers)), strict=True)
    return TitledTable(title="Top neurons", note=note, header=(*words, *numbers), rows=tuple(rows), words=len(words))


def describe_firings(portraits: Portraits, firings: Firings, examples: Examples, decode: Decode) -> TitledTable:
    """One row for each example on which a neuron fires most, with the token that it fires on marked."""
    rows = [
        (str(neuron), _passage(examples, example, position, decode), number(activation))
        for neuron, *found in zip(
            portraits.neurons,
            firings.activation.tolist(),
            firings.example.tolist(),
            firings.position.tolist(),
            strict=True,
        )
        for activation, example, position in zip(*found, strict=True)
    ]
    return TitledTable(
        title="Where the top neurons fire",
        note="The search examples on which each neuron's activation is largest in size, with «the token» that it is "
        f"largest on and up to {WINDOW} tokens on either side.",
        header=("Neuron", "Text", "Activation"),
        rows=tuple(rows),
        words=2,
    )


def _column(
    name: str, portraits: Portraits, circuit: Circuit, moved: tuple[Tensor, Tensor] | None, decode: Decode
) -> list[str]:
    """The cells under one heading."""
    match name:
        case "Neuron":
            return [str(neuron) for neuron in portraits.neurons]
        case "Kept":
            return ["yes" if kept else "no" for kept in _of_neurons(portraits, circuit, circuit.kept)]
        case "Score":
            return [number(float(score)) for score in _of_neurons(portraits, circuit, circuit.scores)]
        case "Mean activation":
            return [number(value) for value in portraits.activation.tolist()]
        case "Direct effect" if portraits.effect is not None:
            return [number(value) for value in portraits.effect.tolist()]
        case "Raises" | "Lowers" if moved is not None:
            return [_listed(ids, decode) for ids in moved[name == "Lowers"].tolist()]
    raise AssertionError(f"nothing is known for the column {name}")


def _of_neurons(portraits: Portraits, circuit: Circuit, values: Tensor) -> Iterator[Tensor]:
    """The neurons' own among the values ``[n]`` of all units."""
    by_site = circuit.space.split(values)
    return (by_site[Site(neuron.layer, KIND)][neuron.index] for neuron in portraits.neurons)


def _listed(ids: Sequence[int], decode: Decode) -> str:
    """Tokens with a space between them; a space of their own is a dot."""
    return " ".join(_whole(decode([id_])) or f"#{id_}" for id_ in ids)


def _passage(examples: Examples, example: int, position: int, decode: Decode) -> str:
    """The text around a position, with its token in guillemets."""
    real = examples.real[example]
    start, stop = max(position - WINDOW, 0), position + WINDOW + 1
    ids = examples.tokens[example].tolist()
    there = [at for at in range(start, min(stop, len(ids))) if real[at]]
    before = decode([ids[at] for at in there if at < position])
    through = decode([ids[at] for at in there if at <= position])
    text = decode([ids[at] for at in there])
    # Some tokenizers join tokens or drop the first one's space, so the token's text is what it adds to those before it.
    if not (through.startswith(before) and text.startswith(through)):
        through = before + decode([ids[position]])
        text = through + decode([ids[at] for at in there if at > position])
    token = through[len(before) :]
    gap = token[: len(token) - len(token.lstrip())] if token.strip() else ""
    return f"{before}{gap}«{token[len(gap) :] if token.strip() else _whole(token)}»{text[len(through) :]}"


def _whole(token: str) -> str:
    """A token's text with its white space shown."""
    return "".join("·" if c == " " else c.encode("unicode_escape").decode() if c.isspace() else c for c in token)
