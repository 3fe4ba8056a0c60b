from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mechint.errors import PluginError
from mechint.spec.catalog import Catalog
from mechint.spec.options import OptionsModel
from mechint.spec.schema import compose_schema, properties_of, resolve
from tests.spec.conftest import CATALOG

EMPTY = Catalog(methods={}, tasks={}, metrics=(), measures=())


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return compose_schema(CATALOG)


@pytest.mark.parametrize("catalog", [CATALOG, EMPTY])
def test_the_schema_is_valid_and_can_be_written(catalog: Catalog) -> None:
    schema = compose_schema(catalog)
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_docstrings_under_fields_are_descriptions(schema: dict[str, Any]) -> None:
    masks = properties_of({"$ref": "#/$defs/method.masks"}, schema)
    assert masks["target_sparsity"]["description"] == "The share of units to drop."
    assert all("description" in section for section in schema["properties"].values())


@pytest.mark.parametrize("single", [True, False])
def test_every_fact_of_a_checkpoint_is_described(schema: dict[str, Any], single: bool) -> None:
    checkpoints = schema["properties"]["checkpoints"]
    facts = properties_of(checkpoints if single else checkpoints["items"], schema)
    assert {"path", "n_head", "tokenizer", "dtype"} <= facts.keys()
    assert all("description" in fact for fact in facts.values())


def test_plugins_come_in_by_branches_and_never_by_one_of(schema: dict[str, Any]) -> None:
    assert "oneOf" not in json.dumps(schema)
    assert [branch["if"]["properties"]["name"]["enum"] for branch in schema["properties"]["method"]["allOf"][:-1]] == [
        ["masks"],
        ["patching"],
        ["sleeping"],
    ]


def test_a_number_or_nothing_is_a_list_of_types(schema: dict[str, Any]) -> None:
    masks = properties_of({"$ref": "#/$defs/method.masks"}, schema)
    assert masks["patience"]["type"] == ["integer", "null"]
    assert "anyOf" in masks["batch"]  # a constant binds every type, so it cannot be merged


def test_definitions_of_two_plugins_do_not_meet(schema: dict[str, Any]) -> None:
    assert resolve({"$ref": "#/$defs/task.tokens.Examples"}, schema)["properties"].keys() == {"train", "validation"}


def test_measures_and_metrics_are_listed(schema: dict[str, Any]) -> None:
    assert schema["properties"]["task"]["properties"]["metric"]["enum"] == ["loss", "accuracy", "kl_div"]
    assertion = schema["$defs"]["faithfulness.Assertion"]["properties"]
    assert assertion["metric"]["enum"] == ["faithfulness", "completeness", "sparsity", "loss_increase"]


def test_an_option_cannot_take_a_key_of_its_section() -> None:
    class Greedy(OptionsModel):
        name: str = "x"

    with pytest.raises(PluginError, match="method greedy has an option 'name'"):
        compose_schema(dataclasses.replace(EMPTY, methods={"greedy": Greedy}))


@pytest.mark.parametrize("name", ["seed", "method", "matrix"])
def test_a_tracker_cannot_take_a_key_of_specs(name: str) -> None:
    with pytest.raises(PluginError, match=f"the tracker '{name}' has the name of a key that specs have themselves"):
        compose_schema(dataclasses.replace(EMPTY, trackers={name: OptionsModel}))


def test_a_plugin_that_may_be_a_tracker_cannot_take_one_either() -> None:
    schema = compose_schema(dataclasses.replace(EMPTY, trackers={"seed": None, "board": None}))
    assert schema["properties"]["seed"]["type"] == "integer"
    assert schema["properties"]["board"].keys() == {"description"}


@pytest.mark.parametrize(("spec", "complete"), [({}, False), ({"include": "_common.yaml"}, True)])
def test_what_a_spec_must_state_may_stand_in_what_it_includes(
    schema: dict[str, Any], spec: dict[str, Any], complete: bool
) -> None:
    assert Draft202012Validator(schema).is_valid(spec) is complete
