import pytest

from mechint.spec.kconfig_symbols import RefusedValueError, Symbol, read_symbols


def values(text):
    symbols, faults = read_symbols(text, "defconfig")
    assert faults == []
    return {name: symbol.value for name, symbol in symbols.items()}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("CONFIG_A=y", "y"),
        ("CONFIG_A=500", "500"),
        ('CONFIG_A="0.95"', "0.95"),
        ('CONFIG_A=""', ""),
        ("CONFIG_A=", ""),
        ('CONFIG_A="say \\"x\\" and \\\\"', 'say "x" and \\'),
        ("CONFIG_A=y      # Run new analysis", "y"),
        ('CONFIG_A="a # b" # c', "a # b"),
        ("# CONFIG_A is not set", "n"),
        ("  CONFIG_A=n\r", "n"),
    ],
)
def test_a_line_is_a_symbol_and_its_value(line, value):
    assert values(f"# a comment\n\n{line}\n# CONFIG_B=y\n") == {"A": value}


@pytest.mark.parametrize("line", ["A=y", "CONFIG_A", 'CONFIG_A="open', "CONFIG_A=y n", "include x"])
def test_another_line_is_told_with_its_number(line):
    symbols, faults = read_symbols(f"CONFIG_B=y\n{line}\n", "defconfig")
    assert list(symbols) == ["B"]
    assert [(fault.line, line in fault.message) for fault in faults] == [(2, True)]


def test_a_symbol_has_one_value():
    assert values("CONFIG_A=y\nCONFIG_A=y\n") == {"A": "y"}
    _, (fault,) = read_symbols("CONFIG_A=y\n# CONFIG_A is not set\n", "defconfig")
    assert str(fault) == "defconfig:2: CONFIG_A is 'n' here and 'y' in line 1"


def test_yes_or_no_is_one_of_the_two():
    assert [Symbol(name="A", value=value, line=1).on for value in "yn"] == [True, False]
    with pytest.raises(RefusedValueError, match="'maybe' is neither y nor n"):
        _ = Symbol(name="A", value="maybe", line=1).on
