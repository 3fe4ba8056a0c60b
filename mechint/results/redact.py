"""Secrets taken out of text before it is written or printed.

A spec's path, a URL in an exception or an option of a method may hold a password or a token that the user never meant
to publish with a report. Taken out are the values of environment variables that are named like secrets, what stands
before the ``@`` of a URL, parameters such as ``token=…``, and tokens that tell what they are by their beginning.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

__all__ = ["REDACTED", "redact", "redactor"]

REDACTED = "[redacted]"

_SHORTEST = 8
"""Characters of a secret; a shorter value, such as ``false``, is too common a word to take out."""
_SECRET_NAME = re.compile(r".*(TOKEN|SECRET|PASSWORD|PASSWD|KEY|KEY_ID|CREDENTIALS|_PAT)", re.IGNORECASE)
# One slash is what a path makes of two.
_IN_URL = re.compile(r"(:/{1,2})[^\s/?#@'\"]+@")
_PARAMETER = re.compile(r"(?i)\b([\w-]*(?:token|api_?key|secret|password|passwd|signature)=)[^\s&'\",)]+")
_SHORTEST_TELLING = 15
_TELLING = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|gh[oprsu]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|sk-[\w-]{20,}|xox[abp]-[\w-]{10,}|wandb_v1_\w{20,})"
)


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text with every secret that is recognised replaced."""
    return redactor(environment)(text)


def redactor(environment: Mapping[str, str] = os.environ) -> Callable[[str], str]:
    """``redact`` for many texts, which looks for secrets in the environment once."""
    hidden = [value for name, value in environment.items() if len(value) >= _SHORTEST and _SECRET_NAME.fullmatch(name)]

    def taken_out(text: str) -> str:
        if len(text) < _SHORTEST:
            return text
        for value in hidden:
            text = text.replace(value, REDACTED)
        if ":/" in text:
            text = _IN_URL.sub(rf"\g<1>{REDACTED}@", text)
        if "=" in text:
            text = _PARAMETER.sub(rf"\g<1>{REDACTED}", text)
        return _TELLING.sub(REDACTED, text) if len(text) >= _SHORTEST_TELLING else text

    return taken_out
