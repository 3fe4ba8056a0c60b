import pytest

from mechint.circuit.space import Site, SiteUnits, Space
from mechint.errors import DataError
from mechint.faithfulness.known import read_known_circuit

SPACE = Space(sites=tuple(SiteUnits(site=Site(layer, "k"), heads=1, width=3) for layer in (0, 1)))


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "known.json").write_text(text)
        return read_known_circuit(str(tmp_path / "known.json"), SPACE)

    return read


def test_units_are_numbered_in_their_site(read):
    assert read('{"units": {"k.0": [2], "k.1": [0]}, "source": "by hand"}').tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"units": {"k.2": [0]}}', r"has no site 'k\.2'.*; it has k\.0, k\.1"),
        ('{"units": {"k.0": [3]}}', r"k\.0 has 3 units, numbered from 0; there is no 3"),
        ('{"units": {}}', "names no unit"),
        ('{"units": {"k.0": [0, 1, 2], "k.1": [0, 1, 2]}}', "names every unit"),
        ('{"units": {"k.0": [-1]}}', r"units\.k\.0\.0: input should be greater"),
        ('{"units": {"k.0": ["1"]}}', r"units\.k\.0\.0: input should be a valid integer"),
        ('{"edges": []}', "units: field required"),
        ('{"units": {}, "units": {}}', "has the key 'units' twice"),
        ("{", "is no JSON"),
        ("[]", "names no unit|should be"),
        ("[" * 100_000, "nested too deeply|no JSON"),
    ],
)
def test_what_is_no_known_circuit_is_refused(read, text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"nowhere\.json: cannot be read: no such file"):
        read_known_circuit("nowhere.json", SPACE)
