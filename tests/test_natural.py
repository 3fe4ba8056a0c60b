from __future__ import annotations

import pytest

from mechint.natural import natural_key


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["V10", "V2", "V1"], ["V1", "V2", "V10"]),
        (["k.10", "k.2"], ["k.2", "k.10"]),
        (["b2", "a10", "a9"], ["a9", "a10", "b2"]),
        (["step10-run2", "step9-run10"], ["step9-run10", "step10-run2"]),
        (["1", "a", ""], ["", "1", "a"]),
        (["a10", "a", "a1"], ["a", "a1", "a10"]),
    ],
)
def test_digits_count_as_numbers(names: list[str], ordered: list[str]) -> None:
    assert sorted(names, key=natural_key) == ordered


def test_zeros_in_front_do_not_count_but_keep_names_apart() -> None:
    assert sorted(["s10", "s009", "s9"], key=natural_key) == ["s009", "s9", "s10"]
    assert natural_key("s009") != natural_key("s9")


def test_digits_may_go_on_for_ever() -> None:
    assert natural_key("9" * 10_000) < natural_key("1" + "0" * 10_000)
