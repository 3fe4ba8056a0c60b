import csv

import pytest

from mechint.figures.table import FigureTable


def read(table: FigureTable) -> list[list[str]]:
    return list(csv.reader(table.as_csv().splitlines()))


def test_a_table_is_its_header_and_its_rows() -> None:
    table = FigureTable(header=("layer", "score"), rows=[(0, 0.1), (10, -2.5e-7)])
    assert read(table) == [["layer", "score"], ["0", "0.1"], ["10", "-2.5e-07"]]


@pytest.mark.parametrize("cell", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_an_empty_cell(cell: float | None) -> None:
    assert read(FigureTable(header=("a", "b"), rows=[(1, cell)]))[1] == ["1", ""]


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx"])
def test_text_is_no_formula(text: str) -> None:
    assert read(FigureTable(header=(text,), rows=[(text,)])) == [[f"'{text}"], [f"'{text}"]]


@pytest.mark.parametrize("text", ["", 'a "quote", a comma', "0 $x_1$", "漢"])
def test_other_text_is_as_it_was(text: str) -> None:
    assert read(FigureTable(header=("a", "b"), rows=[(text, 1)]))[1] == [text, "1"]
