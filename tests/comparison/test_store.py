import json
from pathlib import Path

import jsonschema
import pytest

from mechint.comparison.compare import compare
from mechint.comparison.store import COMPARISON, comparison_schema, read_comparison, write_comparison
from mechint.errors import UsageError
from tests.comparison.runs import made, write_run

SCHEMA = Path(__file__).parents[2] / "docs" / "comparison.schema.json"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return compare([write_run(tmp_path_factory.mktemp("a") / "run", made("V0", 0), made("V1", 1, lost=0.9))])


def test_a_comparison_survives_the_disk(comparison, tmp_path):
    write_comparison(comparison, tmp_path)
    assert read_comparison(tmp_path / COMPARISON) == comparison


def test_the_published_schema_is_the_one_of_the_code():
    hint = "write mechint.comparison.store.comparison_schema() to docs/comparison.schema.json"
    assert json.loads(SCHEMA.read_text()) == comparison_schema(), hint


def test_a_comparison_fits_the_published_schema(comparison):
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    validator.check_schema(validator.schema)
    validator.validate(json.loads(comparison.model_dump_json()))


@pytest.mark.parametrize(
    ("content", "fault"),
    [("", "ends in the middle"), ("{}", "mechint: field required"), ('{"schema_version": 2}', "schema_version: input")],
)
def test_what_is_no_comparison_says_where_and_why(content, fault, tmp_path):
    (tmp_path / COMPARISON).write_text(content)
    with pytest.raises(UsageError, match=fault):
        read_comparison(tmp_path / COMPARISON)
