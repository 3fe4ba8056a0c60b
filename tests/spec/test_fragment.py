"""What a plugin's author may have put into the schema of its options."""

import time
from typing import Annotated

import pytest
from pydantic import ConfigDict, Field

from mechint.errors import PluginError
from mechint.spec.catalog import Catalog
from mechint.spec.fragment import options_schema
from mechint.spec.grammar import compile_grammar
from mechint.spec.options import OptionsModel

REFERENCE = "#/$defs/method.guest.{model}"


def model(extra):
    class Options(OptionsModel):
        model_config = ConfigDict(json_schema_extra=extra)
        steps: int = 1

    return Options


def option(extra):
    return model({"properties": {"steps": extra}})


def test_an_honest_schema_is_as_pydantic_makes_it():
    assert options_schema("method guest", model({}), REFERENCE)["properties"]["steps"]["type"] == "integer"


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"properties": {"steps": {"$ref": "https://example.org/x.json"}}}, "refers to 'https://example.org/x.json'"),
        ({"properties": {"steps": {"$ref": "#/$defs/header.Header"}}}, "have no valid schema: '#/.defs/header.Header'"),
        ({"properties": {"steps": {"type": "intger"}}}, "have no valid schema: 'intger' is not valid"),
        ({"properties": 3}, "have no valid schema: 3 is not of type 'object'"),
    ],
)
def test_a_schema_that_is_none_or_leads_elsewhere_names_its_plugin(extra, why):
    with pytest.raises(PluginError, match=f"options of method guest .*{why}"):
        options_schema("method guest", model(extra), REFERENCE)


def test_references_in_a_circle_name_their_plugin():
    class Options(OptionsModel):
        @classmethod
        def model_json_schema(cls, **_):
            there = {name: {"$ref": REFERENCE.format(model=other)} for name, other in ("ab", "ba")}
            return {"allOf": [there["a"]], "$defs": there}

    with pytest.raises(PluginError, match=r"options of method guest refers to .* in a circle"):
        options_schema("method guest", Options, REFERENCE)


def test_what_no_schema_can_say_names_its_plugin():
    class Options(OptionsModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        what: type(time) | None = None

    with pytest.raises(PluginError, match="options of method guest have no valid schema"):
        options_schema("method guest", Options, REFERENCE)


class Slow(OptionsModel):
    word: Annotated[str, Field(pattern="^(a+)+$")] = "a"


def test_no_pattern_takes_for_ever():
    catalog = Catalog(methods={"slow": Slow}, tasks={}, trackers={}, metrics=(), measures=(), learns_masks=frozenset())
    validator = compile_grammar(catalog).validator
    started = time.process_time()
    found = [error.validator for error in validator.iter_errors({"method": {"name": "slow", "word": "a" * 60 + "b"}})]
    assert "pattern" in found
    assert time.process_time() - started < 2
