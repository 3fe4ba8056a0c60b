import pytest

from mechint.tracking.wandb_writer import reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such project"), "ValueError: no such project"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ConnectionError(), "ConnectionError"),
        (ValueError("POST https://me:secret@host/graphql"), "ValueError: POST https://host/graphql"),
        (ValueError(f"invalid key {'a1' * 20}"), "ValueError: invalid key …"),
    ],
)
def test_an_error_is_told_without_secrets(error, told):
    assert reason(error) == told
