"""The kinds of mistake that a user can make, each with a code that never changes its meaning.

``mechint explain E101`` prints the page of a code, which stands in ``mechint/cli/errors.md``.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Code", "with_code"]


class Code(StrEnum):
    """1: the spec, 2: the command line, 3: nothing to do, 4: plugins, 5: checkpoints, 6: data, 7: the search."""

    UNKNOWN_KEY = "E101"
    MISSING_KEY = "E102"
    WRONG_TYPE = "E103"
    UNKNOWN_NAME = "E104"
    OUT_OF_BOUNDS = "E105"
    NOT_YAML = "E106"
    DUPLICATE_KEY = "E107"
    FORBIDDEN_YAML = "E108"
    UNUSABLE_SCALAR = "E109"
    UNREADABLE_SPEC = "E110"
    NEWER_VERSION = "E111"
    MATRIX = "E112"
    ASSERTION = "E113"
    WHERE = "E114"
    CONTRADICTION = "E115"
    UNUSABLE_NAME = "E116"
    OVERRIDE = "E117"
    INCLUDE = "E118"
    TWINS = "E119"
    USAGE = "E201"
    UNKNOWN_PLUGIN = "E202"
    SELECTION = "E203"
    OUTPUT_DIR = "E204"
    UNREADABLE_RESULTS = "E205"
    BASELINE = "E206"
    MERGE = "E207"
    UNUSABLE_PATH = "E208"
    NO_CHECKPOINT = "E301"
    NO_SPEC = "E302"
    NOTHING_SELECTED = "E303"
    TOO_FEW_CHECKPOINTS = "E304"
    PLUGIN_IMPORT = "E401"
    PLUGIN_CONTRACT = "E402"
    PLUGIN_TWINS = "E403"
    CHECKPOINT = "E501"
    DAMAGED = "E502"
    UNSAFE = "E503"
    MISFIT = "E504"
    ARCHITECTURE = "E505"
    FACTS = "E506"
    UNREADABLE_CHECKPOINT = "E507"
    DATA = "E601"
    PROMPTS = "E602"
    TOO_FEW = "E603"
    NO_BEHAVIOUR = "E604"
    ITEM = "E701"
    DIVERGED = "E702"
    REFUSED = "E703"


def with_code(message: str, code: str) -> str:
    """The message with the code behind its first line; as it is where the code is empty."""
    first, newline, rest = message.partition("\n")
    return f"{first} [{code}]{newline}{rest}" if code else message
