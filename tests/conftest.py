"""What every test shares."""

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests import hostile
from tests.cheap import hurry

# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny tensors gain nothing from threads, and tests that run side by side would fight over them."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _hurry():
    with pytest.MonkeyPatch.context() as monkeypatch:
        hurry(monkeypatch)
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache, nor that of another test."""
    monkeypatch.setenv("MECHINT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def write(tmp_path):
    """Writes bytes, or what torch.save makes of a value, and gives the path."""

    def write(content, name="model.pt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else hostile.saved(content))
        return str(path)

    return write


@pytest.fixture
def canary(tmp_path):
    """A file that only a payload would make; finding it fails the test."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "a payload ran"
