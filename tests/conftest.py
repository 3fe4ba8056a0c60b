"""What every test shares."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny tensors gain nothing from threads, and tests that run side by side would fight over them."""
    torch.set_num_threads(1)
