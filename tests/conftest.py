"""What every test shares."""

import functools
import gc
import os

import jinja2
import pytest
import torch
from hypothesis import HealthCheck, settings

from tests import hostile

# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny tensors gain nothing from threads, and tests that run side by side would fight over them."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _cheap():
    """Leave out what costs a test time and tells it nothing.

    Each page compiles its templates anew, files are brought to the disk in case the power fails, and the garbage
    collector looks through all of torch.
    """
    gc.set_threshold(20_000, 50, 10)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(jinja2.Environment, "compile", _compiled_once(jinja2.Environment.compile))
        monkeypatch.setattr(os, "fsync", lambda file: None)
        yield


def _compiled_once(compile_template):
    """The code of a template depends on its text and on settings that all templates of a kind share."""
    known = {}

    @functools.wraps(compile_template)
    def compile_once(self, source, name=None, filename=None, **how):
        key = (source, name, self.trim_blocks, *how.items())
        if key not in known:
            known[key] = compile_template(self, source, name, filename, **how)
        return known[key]

    return compile_once


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
