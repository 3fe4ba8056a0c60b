"""Which secrets leave no trace, and which words are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechint.results.redact import REDACTED, redact

ENVIRONMENT = {"WANDB_API_KEY": "5ec2e7" * 6 + "abcd", "AWS_SECRET_ACCESS_KEY": "wJalr/XUtn+FEMI", "HOME": "/home/ada"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"key {ENVIRONMENT['WANDB_API_KEY']} in a word", f"key {REDACTED} in a word"),
        ("no wJalr/XUtn+FEMI.", f"no {REDACTED}."),
        ("https://ada:s3cret@host/x.git failed", f"https://{REDACTED}@host/x.git failed"),
        ("https://s3cr3t0@host", f"https://{REDACTED}@host"),
        ("GET /m?access_token=s3cret&a=1", f"GET /m?access_token={REDACTED}&a=1"),
        ("X-Amz-Signature=12ab34", f"X-Amz-Signature={REDACTED}"),
        ("hf_" + "aB3" * 11, REDACTED),
        ("ghp_" + "aB3" * 12 + ", AKIA" + "ABCD" * 4, f"{REDACTED}, {REDACTED}"),
    ],
)
def test_a_secret_is_taken_out(text, left):
    assert redact(text, ENVIRONMENT) == left


@pytest.mark.parametrize(
    "text",
    [
        "/home/ada/output/final_model_stepV0.pt",
        "hf:EleutherAI/pythia-70m@main",
        "sha256 " + "5ec2e8" * 10,
        "https://host/a@b, k.3@last",
        "tokens=3 of 8, key=value",
        "mlp_out.5@last_subject >= 0.05",
    ],
)
def test_other_text_stays(text):
    assert redact(text, ENVIRONMENT) == text


def test_a_short_value_is_no_secret():
    assert redact("false alarms", {"TOKEN": "false"}) == "false alarms"


@given(st.text(max_size=200))
def test_what_is_left_holds_nothing_to_take_out(text):
    assert redact(redact(text)) == redact(text)
