import pytest
from pydantic import BaseModel

from mechint.errors import DataError
from mechint.task.json_file import read_json_file


class Point(BaseModel):
    x: int


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "point.json").write_text(text)
        return read_json_file(tmp_path / "point.json", Point, '{"x": 1}')

    return read


def test_a_file_is_read_as_a_value(read):
    assert read('{"x": 3}') == Point(x=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON"),
        ('{"x": 1, "x": 2}', "has the key 'x' twice"),
        ('{"x": NaN}', "has the value NaN, which is no number"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"y": 1}', r'point.json: x: field required; it is {"x": 1}'),
        ("[]", r'point.json: [^:]*; it is {"x": 1}'),
    ],
)
def test_what_is_no_such_value_is_refused_with_its_place(read, text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read: no such file"):
        read_json_file(tmp_path / "point.json", Point, "")
