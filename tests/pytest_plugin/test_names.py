"""Which files are specs, and names that pytest can use."""

import subprocess
import sys

import pytest

from mechint.pytest_plugin.names import assertion_names, is_spec, marker_name
from mechint.spec.assertion import parse_assertion
from mechint.spec.values import Assertion

SPEC = "version: 1\nmethod: {name: kv_circuit}\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("kv.yaml", SPEC, True),
        ("kv.yml", "\ufeff# a comment\r\n'version': 1\r\n\"method\": x\r\n", True),
        ("kv.yaml", "version: 1\ninclude: _common.yaml\n", True),
        ("_common.yaml", SPEC, False),
        (".kv.yaml", SPEC, False),
        ("kv.txt", SPEC, False),
        ("ci.yaml", "name: CI\non: push\njobs:\n  version: 1\n  method: x\n", False),
        ("compose.yaml", "version: '3'\ninclude:\n  - other.yaml\nservices: {}\n", False),
        ("config.yaml", "version: 1\nmethods: [a]\n", False),
        ("config.yaml", "method: x\n", False),
        ("empty.yaml", "", False),
    ],
)
def test_a_spec_is_told_from_other_yaml(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert is_spec(tmp_path / name) is expected


def test_bytes_and_missing_files_are_no_specs(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\x00" * 100)
    assert not is_spec(tmp_path / "x.yaml")
    assert not is_spec(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("slow", "slow"),
        ("kv-tying", "kv_tying"),
        ("a b/c", "a_b_c"),
        ("2024", "tag_2024"),
        ("_x", "tag__x"),
        ("", "tag_"),
        ("skip", "skip_"),
        ("parametrize", "parametrize_"),
        ("not", "not_"),
    ],
)
def test_a_tag_becomes_a_marker_that_means_nothing_else(tag, name):
    assert marker_name(tag) == name
    assert name.isidentifier()


@pytest.mark.parametrize(
    ("assertions", "names"),
    [
        ([], ["measured"]),
        (["sparsity >= 0.5", "loss < 2"], ["sparsity >= 0.5", "loss < 2"]),
        (["loss < 2"] * 3, ["loss < 2", "loss < 2 #2", "loss < 2 #3"]),
        (["x[0]::y >= 1"], ["x(0):y >= 1"]),
    ],
)
def test_assertions_have_names_of_their_own(assertions, names):
    assert assertion_names([parse_assertion(text) for text in assertions]) == names


def test_a_peaks_labels_cannot_break_a_node_id():
    peak = Assertion(peak="role", of="mlp_out", within=("a::b[0]\n\u202e",))
    assert assertion_names([peak]) == [r"peak role of mlp_out at a:b(0) \u202e"]


IMPORTING = """
import sys, pytest
before = set(sys.modules)
import mechint.pytest_plugin
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_the_plugin_imports_nothing_that_pytest_has_not():
    ran = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["mechint"]
