import pytest

from mechint.engine.printed import HEAD, OUTPUT, Printed


def test_silence_leaves_no_file(tmp_path):
    Printed().write(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, HEAD - 1, HEAD, HEAD + 1, 2 * HEAD])
def test_a_little_is_kept_whole(tmp_path, count):
    said = Printed()
    content = bytes(number % 251 for number in range(count))
    for start in range(0, count, 1000):
        said.add(content[start : start + 1000])
    said.write(tmp_path)
    assert (tmp_path / OUTPUT).read_bytes() == content


def test_of_much_the_beginning_and_the_end_are_kept(tmp_path):
    said = Printed()
    said.add(b"first\n")
    for _ in range(100):
        said.add(b"." * 65_536)
    said.add(b"\nlast")
    said.write(tmp_path)
    kept = (tmp_path / OUTPUT).read_bytes()
    assert kept.startswith(b"first")
    assert kept.endswith(b"last")
    assert f"[{6 + 6_553_600 + 5 - 2 * HEAD} bytes are left out]".encode() in kept
    assert len(kept) < 2 * HEAD + 100


def test_the_last_lines_are_for_a_report():
    said = Printed()
    said.add("\n".join(map(str, range(100))).encode() + b"\xff")
    assert said.last_lines().splitlines() == [*map(str, range(60, 99)), "99\ufffd"]
