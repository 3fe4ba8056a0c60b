"""No file of a run, and nothing it prints, holds a secret that its spec or its environment does."""

import pytest

from tests.acceptance.conftest import SPEC

pytestmark = pytest.mark.usefixtures("known")

KEY, PASSWORD, AMAZON = "5ec2e7" * 6 + "abcd", "s3cret-pass", "AKIA" + "ABCD" * 4


@pytest.fixture
def careless(workspace):
    """A spec whose owner wrote secrets wherever text may stand, in an environment with a key."""
    workspace.monkeypatch.setenv("WANDB_API_KEY", KEY)
    described = f"description: from https://ada:{PASSWORD}@host/x and {AMAZON}\ntags: [key {KEY}]\n"
    workspace.write("spec.yaml", SPEC.replace("task:\n", f"{described}task:\n", 1).replace("[0.5, 0.75]", "[0.5]"))
    return workspace


def leaks(workspace, *printed):
    files = [path for path in workspace.folder.rglob("*") if path.is_file() and path.name != "spec.yaml"]
    assert len(files) > 5, "the run left its files"
    texts = {"printed": "".join(printed).encode()} | {path.name: path.read_bytes() for path in files}
    return {
        (name, secret) for name, text in texts.items() for secret in (KEY, PASSWORD, AMAZON) if secret.encode() in text
    }


def test_a_run_writes_and_prints_none(careless):
    ran = careless.run("spec.yaml")
    assert ran.code == 0, ran
    assert leaks(careless, ran.out, ran.err) == set()
    assert "[redacted]" in (careless.folder / "analysis/results.json").read_text()


def test_nor_does_an_item_that_breaks(careless):
    ran = careless.run("spec.yaml", "--set", f"task.path=https://ada:{PASSWORD}@host/{KEY}")
    assert ran.code == 7, ran
    assert leaks(careless, ran.out, ran.err) == set()


def test_nor_does_an_error_message(careless):
    ran = careless.run("spec.yaml", "--models", f"https://ada:{PASSWORD}@host/{KEY}.pt")
    assert ran.code == 5, ran
    assert "https://[redacted]@host/[redacted].pt" in ran.err
    assert PASSWORD not in ran.err
