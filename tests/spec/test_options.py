import copy
import pickle

import pytest
from pydantic import ValidationError

from mechint.engine.smoke import shrink_options
from mechint.spec.options import AUTO, BatchSize, OptionsModel


class Options(OptionsModel):
    batch_size: BatchSize = 16
    steps: int = 200


def test_auto_is_kept_apart_from_every_number():
    options = Options.model_validate({"batch_size": "auto"})
    assert options.batch_size is AUTO
    assert options.model_dump(mode="json")["batch_size"] == "auto"


@pytest.mark.parametrize("sent", [lambda options: pickle.loads(pickle.dumps(options)), copy.deepcopy])
def test_auto_is_auto_in_a_worker_too(sent):
    assert sent(Options.model_validate({"batch_size": "auto"})).batch_size is AUTO


def test_a_number_stays_one():
    assert Options(batch_size=3).model_dump() == {"batch_size": 3, "steps": 200}


@pytest.mark.parametrize("value", [0, -1, "most", 1.5])
def test_anything_else_is_refused(value):
    with pytest.raises(ValidationError):
        Options.model_validate({"batch_size": value})


def test_a_smoke_run_keeps_auto():
    small = shrink_options(Options.model_validate({"batch_size": "auto"}))
    assert (small.steps, small.batch_size) == (4, AUTO)


def test_the_schema_names_both():
    assert Options.model_json_schema()["properties"]["batch_size"]["anyOf"][1] == {"const": "auto"}
