import pytest

from mechint.cli.ask import say


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("specs/kv.yaml::stepV0", "specs/kv.yaml::stepV0"),
        ("\x1b[31mstep\u202e", "\\x1b[31mstep\\u202e"),
        ("::error::x", "\\::error::x"),
    ],
)
def test_a_name_neither_steers_the_terminal_nor_commands_a_build(line, printed, capsys):
    say(line)
    assert capsys.readouterr().out == f"{printed}\n"
