"""What is refused as a file of per-example values."""

from pathlib import Path

import pytest

from mechint.errors import UsageError
from mechint.faithfulness.per_example_file import load_per_example
from tests.faithfulness.test_per_example_faults import values
from tests.hostile import safetensors_files


def test_values_from_a_file_are_checked(tmp_path):
    values(random__loss=None).save(tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="lacks the values of random, so it is not"):
        load_per_example(tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", safetensors_files.BAD)
def test_what_is_no_file_of_values_is_refused_with_one_kind_of_error(write, name):
    path = Path(write(safetensors_files.BAD[name][0](), "values.safetensors"))
    with pytest.raises(UsageError, match=r"values\.safetensors: "):
        load_per_example(path)
