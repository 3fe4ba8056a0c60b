"""What a refusal must be."""

import pytest

from mechint.errors import CheckpointError


@pytest.fixture
def refusal():
    """Reads a bad checkpoint and gives the message: one error of the right kind, short and with the path first."""

    def refuse(read, path):
        with pytest.raises(CheckpointError) as caught:
            read(str(path))
        message = str(caught.value)
        assert type(caught.value) is CheckpointError
        assert message.startswith((f"{path}: ", f"{path}/"))
        assert message.isprintable() or "\n  " in message
        assert len(message) < len(str(path)) + 600
        return message

    return refuse
