import subprocess
import sys

from mechint.engine.worker import _Teller
from mechint.journal import Progress


class Line:
    def __init__(self):
        self.said = []

    def send(self, message):
        self.said.append(message)


def test_what_was_measured_is_always_said_and_the_rest_now_and_then():
    line = Line()
    teller = _Teller(line)
    for done in range(1, 1001):
        teller.tell(Progress(stage="quick", done=done, total=1000, values={}))
    assert len(line.said) < 1000
    assert line.said[-1].done == 1000
    line.said.clear()
    for done in range(1, 11):
        teller.tell(Progress(stage="search", done=done, total=10, values={"loss": 1.0}))
    assert len(line.said) == 10


def test_a_limit_on_memory_is_python_s_own_error():
    """In a process of its own, since a limit stays."""
    script = "from mechint.engine.worker import _limit_memory; _limit_memory(1 << 30); bytearray(2 << 30)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "MemoryError" in ran.stderr
    lifted = script.replace("(1 << 30);", "(1 << 30); _limit_memory(None);")
    assert subprocess.run([sys.executable, "-c", lifted], check=False).returncode == 0
