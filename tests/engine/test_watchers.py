import errno
import sys

import pytest

from mechint.engine.exit import ExitCode
from mechint.engine.plugins import Plugins, list_plugins
from mechint.engine.watchers import Watchers, code_of_broken
from mechint.errors import WriteError
from mechint.results.reporting import Reporting
from tests.raising import listed, write_raising
from tests.reports import make_run


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([WriteError("a: cannot be written")], ExitCode.INCOMPLETE),
        ([OSError(errno.ENOSPC, "No space left on device")], ExitCode.INCOMPLETE),
        ([WriteError("a: cannot be written"), ValueError("no more ink")], ExitCode.INTERNAL),
    ],
)
def test_what_a_reporter_may_not_write_leaves_the_run_incomplete(errors, code):
    assert code_of_broken(dict(enumerate(errors)), Plugins({})) is code


@pytest.mark.parametrize(("tracker", "code"), [(True, ExitCode.PASSED), (False, ExitCode.INTERNAL)])
@pytest.mark.parametrize("hook", ["mechint_run_finished", "mechint_command_finished"])
def test_a_tracker_may_break_and_a_reporter_owes_a_file(tmp_path, monkeypatch, tracker, code, hook):
    write_raising(tmp_path / "inkless.py", hook, tracker=tracker)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "inkless", raising=False)
    plugins = Plugins({**list_plugins(), "inkless": listed("inkless")})
    plugins.load("inkless")
    watchers = Watchers(plugins, Reporting())
    given = (
        {"report": make_run(), "output_dir": tmp_path} if "run" in hook else {"reports": [], "reporting": Reporting()}
    )
    watchers.notify(hook, **given)
    assert list(watchers.broken) == ["inkless"]
    assert code_of_broken(watchers.broken, plugins) is code
