import math

import pytest
from pydantic import ValidationError

from mechint.results.values import ItemReport, SpecFacts
from tests.reports import make_item, verdict


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_becomes_none(value: float) -> None:
    item = make_item(measures={"loss": value}, values={"circuit": {"loss": value}})
    assert item.measures == {"loss": None}
    assert item.values == {"circuit": {"loss": None}}


def test_a_file_name_in_another_encoding_can_be_stored() -> None:
    facts = SpecFacts(path="specs/\udcfc.yaml", sha256="", name="", description="naïve", tags=())
    assert facts.path == "specs/\\udcfc.yaml"
    assert facts.description == "naïve"


def test_reports_are_frozen_and_strict() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        verdict("faithfulness", 0.8, 0.9).line = 3
    with pytest.raises(ValidationError, match="Extra inputs"):
        make_item(colour="red")


def test_what_is_read_back_equals_what_was_written() -> None:
    item = make_item()
    assert ItemReport.model_validate_json(item.model_dump_json()) == item
