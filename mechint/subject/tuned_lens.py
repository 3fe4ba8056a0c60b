"""A tuned lens from a file: for each layer an affine map of what it leaves (Belrose et al. 2023, 2303.08112).

The file is safetensors with ``resid_post.L.weight`` ``[d d]`` and ``resid_post.L.bias`` ``[d]`` for every layer L;
the stream ``x`` that the layer leaves becomes ``weight @ x + bias`` before the last norm reads it. The last layer may
be left out: it stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mechint.checkpoint.opened import open_unchanged
from mechint.checkpoint.safetensors_file import read_safetensors
from mechint.circuit.space import Site
from mechint.errors import CheckpointError, DataError
from mechint.subject.subject import Subject

__all__ = ["Affine", "read_tuned_lens"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    """What a layer's stream becomes."""

    weight: Tensor
    """``[d d]``, output by input."""
    bias: Tensor
    """``[d]``."""

    def __call__(self, stream: Tensor) -> Tensor:
        return stream @ self.weight.T.to(stream) + self.bias.to(stream)


def read_tuned_lens(path: str, subject: Subject) -> Mapping[int, Affine]:
    """The maps by layer. Raises DataError where the file cannot be read or does not fit the model."""
    try:
        with open_unchanged(path) as file:
            tensors, _, _ = read_safetensors(file)
    except CheckpointError as error:
        raise DataError(str(error)) from None
    _refuse_misfits(path, tensors, subject)
    names = {layer: str(Site(layer, "resid_post")) for layer in range(subject.shape.n_layer)}
    return {
        layer: Affine(weight=tensors[f"{name}.weight"], bias=tensors[f"{name}.bias"])
        for layer, name in names.items()
        if f"{name}.weight" in tensors
    }


def _refuse_misfits(path: str, tensors: Mapping[str, Tensor], subject: Subject) -> None:
    n_layer, d_model = subject.shape.n_layer, subject.shape.d_model
    shapes = {"weight": [d_model, d_model], "bias": [d_model]}
    expected = {f"{Site(layer, 'resid_post')}.{part}": shapes[part] for layer in range(n_layer) for part in shapes}
    last = {f"{Site(n_layer - 1, 'resid_post')}.{part}" for part in shapes}
    needed = expected.keys() if last & tensors.keys() else expected.keys() - last
    if unknown := sorted(tensors.keys() - expected):
        raise DataError(f"{path}: {unknown[0]} is no part of a lens for {n_layer} layers{_HINT}")
    if missing := [name for name in expected if name in needed and name not in tensors]:
        raise DataError(f"{path}: {missing[0]} is missing{_HINT}")
    for name, tensor in tensors.items():
        if list(tensor.shape) != expected[name] or not tensor.is_floating_point():
            found = f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
            raise DataError(f"{path}: {name} is {found}; {subject.name} needs floats of {expected[name]}{_HINT}")


_HINT = "\n  hint: a lens has resid_post.L.weight [d d] and resid_post.L.bias [d] for every layer L"
