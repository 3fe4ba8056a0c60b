import hashlib
import json
import math
from pathlib import Path

import jsonschema
import pytest

from mechint.errors import UsageError
from mechint.results.store import (
    damaged_files,
    read_metrics,
    read_report,
    results_schema,
    write_done,
    write_item,
    write_metrics,
    write_report,
)
from mechint.results.values import ItemReport, Outcome, RunReport
from tests.reports import make_item, make_run, marked_item

SCHEMA = Path(__file__).parents[2] / "docs" / "results.schema.json"


def test_a_report_survives_the_disk(tmp_path: Path) -> None:
    write_report(make_run(), tmp_path)
    assert read_report(tmp_path / "results.json") == make_run()


def test_a_report_of_a_skipped_item_survives_it_too(tmp_path: Path) -> None:
    run = make_run((make_item(), marked_item(Outcome.SKIPPED)))
    write_report(run, tmp_path)
    assert read_report(tmp_path / "results.json") == run


def test_a_report_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    write_report(make_run(), tmp_path / "a")
    write_report(make_run(), tmp_path / "b")
    assert (tmp_path / "a/results.json").read_bytes() == (tmp_path / "b/results.json").read_bytes()


def test_an_undefined_number_is_null_even_where_the_report_was_not_validated(tmp_path: Path) -> None:
    write_item(make_item().model_copy(update={"measures": {"loss": math.inf}}), tmp_path)
    text = (tmp_path / "result.json").read_text()
    assert json.loads(text)["measures"] == {"loss": None}
    assert ItemReport.model_validate_json(text).measures == {"loss": None}


def test_the_published_schema_is_the_one_of_the_code() -> None:
    hint = "write mechint.results.store.results_schema() to docs/results.schema.json"
    assert json.loads(SCHEMA.read_text()) == results_schema(), hint


def test_a_report_fits_the_published_schema() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    validator.check_schema(validator.schema)
    validator.validate(json.loads(make_run().model_dump_json()))


def test_a_schema_field_is_described() -> None:
    assert "null where it is undefined" in results_schema()["$defs"]["Verdict"]["properties"]["actual"]["description"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", ":1:1: not JSON: ends in the middle"),
        ('{"schema_version": 1,\n "items": [', ":2:12: not JSON: ends in the middle"),
        ('{"a": 1}\n<<<<<<< HEAD\n', ":2: has the marks of an unfinished merge"),
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ('{"schema_version": ' + "9" * 5000 + "}", "has a number of thousands of digits"),
        ("[]", "no schema_version"),
        ('{"schema_version": 2}', "newer than this mechint reads"),
        ('{"schema_version": 1, "seconds": NaN}', "NaN is not a number"),
        ('{"schema_version": 1, "seconds": "soon"}', "seconds: Input should be a valid number"),
        ('{"schema_version": ' + "[" * 200_000, "nested too deeply"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_a_report_that_cannot_be_read_says_where_and_why(content: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as raised:
        read_report(path)
    assert str(raised.value).startswith(str(path))
    assert fault in str(raised.value)


@pytest.mark.parametrize(
    ("report", "fault"),
    [
        (make_run((make_item("../../etc"),)), "'../../etc' cannot be an item's id"),
        (make_run((make_item("/etc"),)), "'/etc' cannot be an item's id"),
        (make_run((make_item(checkpoint=None),)), "has no error, and lacks the checkpoint"),
        (make_run((make_item(methodology=None),)), "has no error, and lacks the checkpoint or the methodology"),
        (make_run().model_copy(update={"spec": make_run().spec.model_copy(update={"name": "../x"})}), "is a path"),
    ],
)
def test_an_edited_report_leads_nowhere_else(report: RunReport, fault: str, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    with pytest.raises(UsageError, match=fault):
        read_report(tmp_path / "results.json")


def test_a_skipped_item_needs_no_checkpoint_to_be_read(tmp_path: Path) -> None:
    skipped = make_item(outcome=Outcome.SKIPPED, checkpoint=None, methodology=None)
    write_report(make_run((skipped,)), tmp_path)
    assert read_report(tmp_path / "results.json").items == (skipped,)


def test_a_report_of_millions_of_values_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mechint.results.store._MOST_VALUES", 10)
    write_report(make_run(), tmp_path)
    with pytest.raises(UsageError, match="has more than 10 values"):
        read_report(tmp_path / "results.json")


def test_a_missing_report_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_report(tmp_path / "results.json")


def test_metrics_survive_the_disk_with_gaps_where_a_loss_diverged(tmp_path: Path) -> None:
    write_metrics([{"stage": "swap", "step": 0, "loss": math.nan}, {"stage": "swap", "step": 1}], tmp_path / "m.jsonl")
    assert read_metrics(tmp_path / "m.jsonl") == [
        {"stage": "swap", "step": 0, "loss": None},
        {"stage": "swap", "step": 1},
    ]


@pytest.mark.parametrize(
    ("content", "fault"), [('{"step": 0}\n{"ste', ":2:"), ('{"step": 0}\n3\n', ":2: expected an object")]
)
def test_broken_metrics_name_the_line(content: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(content)
    with pytest.raises(UsageError, match=fault):
        read_metrics(tmp_path / "m.jsonl")


def test_done_lists_the_hash_of_every_other_file(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.txt").write_text("a")
    (tmp_path / ".b.txt.leftover").write_text("")
    write_done(tmp_path)
    write_done(tmp_path)
    assert json.loads((tmp_path / "DONE").read_text()) == {
        "b.txt": hashlib.sha256(b"b").hexdigest(),
        "sub/a.txt": hashlib.sha256(b"a").hexdigest(),
    }


def test_damage_is_named(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text(name)
    assert damaged_files(tmp_path) is None
    write_done(tmp_path)
    assert damaged_files(tmp_path) == []
    (tmp_path / "b").unlink()
    (tmp_path / "c").write_text("C")
    (tmp_path / "new").write_text("not listed")
    assert damaged_files(tmp_path) == ["b", "c"]
    (tmp_path / "DONE").write_text('{"a": "')
    assert damaged_files(tmp_path) == ["DONE"]
