import threading
import time

import pytest

from mechint.engine.alone import alone_in
from mechint.errors import UsageError


def test_the_second_waits_for_the_first_and_says_so(tmp_path):
    seen, waited = [], []

    def first():
        with alone_in(tmp_path):
            inside.set()
            time.sleep(0.3)
            seen.append("first")

    inside = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with alone_in(tmp_path, waited.append):
        seen.append("second")
    thread.join()
    assert (seen, waited) == (["first", "second"], [tmp_path])


def test_nobody_waits_where_nobody_is(tmp_path):
    for _ in range(2):
        with alone_in(tmp_path, lambda folder: pytest.fail(f"waits in {folder}")):
            pass


def test_a_folder_that_is_missing_is_not_made(tmp_path):
    with alone_in(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UsageError, match=r"output_dir '.*' cannot be written to"), alone_in(tmp_path):
        pass
