from mechint.plugins.json_lines import mechint_command_finished

from mechint.results.values import RunReport
from tests.reports import make_run


def test_every_run_is_a_line_that_reads_back_as_itself(capsys):
    runs = [make_run(), make_run((), seconds=1.0)]
    mechint_command_finished(reports=runs)
    lines = capsys.readouterr().out.splitlines()
    assert [RunReport.model_validate_json(line) for line in lines] == runs


def test_any_encoding_holds_a_line(capsys):
    mechint_command_finished(reports=[make_run(seconds=1.0, started="schön\u2028")])
    assert capsys.readouterr().out.isascii()
