"""What edited per-example values are refused for."""

import numpy as np
import pytest

from mechint.errors import UsageError
from mechint.faithfulness.derive import estimate_measures
from mechint.faithfulness.per_example import PerExample
from mechint.faithfulness.per_example_faults import find_fault, refuse_other_examples

N = 6
GENERATOR = np.random.default_rng(0)


def drawn(*shape):
    return GENERATOR.random(shape)


def tensors(**changed):
    """As a run leaves them, but for the names in ``changed``; None leaves a tensor out."""
    good = {f"{model}/loss": drawn(N) for model in ("full", "circuit", "empty", "complement", "curve/0.1", "curve/0.5")}
    good |= {"random/loss": drawn(20, N), "examples/weight": drawn(N), "examples/cluster": np.arange(N)}
    named = {name.replace("__", "/"): tensor for name, tensor in changed.items()}
    return {name: tensor for name, tensor in (good | named).items() if tensor is not None}


def values(**changed):
    return PerExample.of_tensors(tensors(**changed), "loss", higher_is_better=False)


def test_what_a_run_leaves_has_no_fault():
    assert find_fault(values()) is None
    assert estimate_measures(values())["loss_increase"] is not None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"full__loss": None}, "lacks the values of full"),
        ({"random__loss": None}, "lacks the values of random"),
        ({"empty__loss": None, "empty__accuracy": drawn(N)}, "lacks empty/loss"),
        ({"circuit__loss": drawn(N - 1)}, r"circuit/loss is float64 \[5\], which does not go with 6 examples"),
        ({"circuit__loss": drawn(N).astype(np.float32)}, "circuit/loss is float32"),
        ({"random__loss": drawn(N)}, r"random/loss is float64 \[6\]"),
        ({"random__loss": drawn(0, N)}, r"random/loss is float64 \[0, 6\]"),
        ({"full__loss": drawn(0)}, r"full/loss is float64 \[0\]"),
        ({"examples__weight": drawn(2)}, r"weights are float64 \[2\]"),
        ({"examples__weight": np.zeros(N)}, "not numbers above 0"),
        ({"examples__weight": np.full(N, np.nan)}, "not numbers above 0"),
        ({"examples__cluster": np.arange(N).astype(float)}, "clusters are float64"),
        ({"curve/1.2.3/loss": drawn(N)}, r"curve/1\.2\.3 is no point"),
        ({"curve/0.5/loss": None}, "a curve of a single point"),
        ({"curve/0.10/loss": drawn(N)}, r"curve/0\.10 is no point"),
    ],
)
def test_a_fault_is_named(changed, says):
    with pytest.raises(AssertionError, match=says):
        assert find_fault(values(**changed)) is None, find_fault(values(**changed))


@pytest.mark.parametrize(
    "changed",
    [
        {f"{model}__loss": drawn(N - 1) for model in ("full", "circuit")},
        {"examples__cluster": None},
        {"examples__cluster": np.zeros(N, dtype=np.int64)},
    ],
)
def test_runs_of_different_examples_are_not_taken_together(changed):
    refuse_other_examples("a", [values(), values()])
    with pytest.raises(UsageError, match="a: its runs are of different examples"):
        refuse_other_examples("a", [values(), values(**changed)])
