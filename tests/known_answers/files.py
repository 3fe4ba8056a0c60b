"""Where the compiled programs lie, and how their JSON is laid out."""

import json
from pathlib import Path

TRACR = Path(__file__).parent / "tracr"
"""One folder for each program."""


def write_json(path, content):
    """Write JSON that a diff of can be read: the innermost lists stand on a line each."""
    path.write_text(_lay_out(content, "") + "\n")


def _lay_out(value, indent):
    inner = indent + "  "
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {_lay_out(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, list | dict) for each in value):
        return "[\n" + ",\n".join(inner + _lay_out(each, inner) for each in value) + f"\n{indent}]"
    return json.dumps(value)
