import pytest
import wandb
from mechint.plugins.wandb import PATIENCE, STOP_SECONDS

from mechint.tracking.wandb_writer import Tracked, _init, _Opening, reason
from tests.reports import make_item, make_run


def test_a_server_is_waited_for_some_seconds_and_the_machine_as_long_as_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(wandb, "init", lambda **given: given["settings"])
    about = Tracked(
        project=None, entity=None, spec=make_run().spec, report=make_item(), folder=tmp_path, output_dir=tmp_path
    )
    opening = _Opening(about=about, name="x", job_type="x", config={})
    online, offline = (_init(opening, mode, "x") for mode in ("online", "offline"))
    assert (online.init_timeout, online.finish_timeout, online.finish_timeout_raises) == (4.0, 5.0, True)
    usual = wandb.Settings()
    assert (offline.init_timeout, offline.finish_timeout) == (usual.init_timeout, usual.finish_timeout)
    assert online.init_timeout < PATIENCE > online.finish_timeout
    assert max(online.init_timeout + online.finish_timeout, PATIENCE + STOP_SECONDS) <= 10.0


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
