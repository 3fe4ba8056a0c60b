"""What a spec's gates do on other examples."""

import pytest

from tests.acceptance.conftest import SPEC

pytestmark = pytest.mark.usefixtures("known")

SPEC = SPEC.replace("[0.5, 0.75]", "[0.5]").replace(
    "    - sparsity >= 0.5\n",
    "    - loss <= 20\n    - {metric: loss, at_most: 20, confidence: 0.95}\n    - loss <= 0\n"
    "    - {metric: loss, max_drop: 10, baseline: baselines/tiny.json}\n    - sparsity >= 0.5\n",
)


@pytest.fixture
def tested(workspace):
    workspace.write("spec.yaml", SPEC)
    workspace.run("spec.yaml", "--models", "output/final_model_stepV0.pt")
    ran = workspace.mechint("selftest", "spec.yaml", "--draws", "30")
    assert ran.code == 0, ran.err
    return ran.out.splitlines()


def test_every_measure_of_examples_is_tested(tested):
    bounds, surely, failing, drop = tested
    assert bounds == "stepV0-target_sparsity0.5  loss <= 20: passed 100.0%"
    assert surely.startswith("stepV0-target_sparsity0.5  loss <= 20 at 95 % confidence: passed ")
    assert failing == "stepV0-target_sparsity0.5  loss <= 0: failed 100.0%"
    assert drop == (
        "stepV0-target_sparsity0.5  loss no more than 10 worse than baselines/tiny.json: no change 0.0%, "
        "a drop of 10 0.0%, a drop of 15 100.0%, a drop of 20 100.0%"
    )


def test_the_runs_folder_gets_a_page_with_the_same_shares(workspace, tested):
    page = (workspace.folder / "analysis/selftest.md").read_text()
    assert "# How the gates of tiny fare on other examples" in page
    assert "| stepV0-target_sparsity0.5 | loss <= 0 | failed | 100.0% |" in page


def test_a_spec_that_was_not_run_is_refused(workspace):
    ran = workspace.mechint("selftest", "spec.yaml")
    assert ran.code == 4
    assert "analysis/results.json: cannot be read" in ran.err
