"""Judging checkpoints in a process of their own."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mechint.engine.exit import ExitCode
from mechint.errors import UsageError
from mechint.training.checkpoints import CheckpointCallback
from mechint.training.gate import GateOutcome, GateResult, SpecGate, agreed_by_all, is_main_process, run_in_child
from tests.tiny import random_model
from tests.training.stand_in import StandIn

# Whoever starts the tests in the background starts them deaf to interrupts, and so their children.
HEARS_INTERRUPTS = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


@pytest.fixture
def judge(tmp_path):
    """Judges one checkpoint with a stand-in that gives this code."""

    def judge(code, **options):
        options = {"run": StandIn([code])} | options
        gate = SpecGate(spec="gate.yaml", output_dir=tmp_path / "gate", **options)
        return gate.judge(tmp_path / "model.pt", step=5, folder="V0/step5")

    return judge


@pytest.mark.parametrize("code", ExitCode)
def test_the_exit_codes_mean_what_the_program_says(judge, code):
    assert judge(int(code)).outcome.value == code.name.lower()


@pytest.mark.parametrize("code", [0, 1])
def test_a_verdict_without_a_report_is_no_verdict(judge, code):
    result = judge(code, run=StandIn([code], reports=False))
    assert (result.outcome, result.exit_code, result.results) == (GateOutcome.UNKNOWN, code, None)


def test_the_report_of_an_earlier_run_is_not_this_runs(judge, tmp_path):
    judge(1)
    assert judge(1, run=StandIn([1], reports=False)).outcome is GateOutcome.UNKNOWN


def test_a_report_that_states_another_code_is_no_verdict(judge, tmp_path):
    def run(command, environment, timeout):
        (tmp_path / "gate/V0/step5").mkdir(parents=True)
        (tmp_path / "gate/V0/step5/results.json").write_text('{"exit_code": 0}')
        return 1

    assert judge(1, run=run).outcome is GateOutcome.UNKNOWN


def test_a_python_without_mechint_is_not_a_failed_assertion(judge, tmp_path, capfd):
    """It ends with code 1 too."""

    def run(command, environment, timeout):
        return run_in_child([sys.executable, "-S", "-P", *command[1:]], environment, timeout)

    result = judge(1, run=run, environment={"PYTHONPATH": ""})
    assert (result.exit_code, result.outcome) == (1, GateOutcome.UNKNOWN)
    assert "No module named mechint" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (subprocess.TimeoutExpired("mechint", 3), GateOutcome.TIMEOUT),
        (OSError("out of memory"), GateOutcome.UNKNOWN),
    ],
)
def test_a_run_that_does_not_end_by_itself_is_logged_and_no_error(judge, caplog, error, outcome):
    def run(command, environment, timeout):
        raise error

    result = judge(0, run=run, timeout=3)
    assert (result.outcome, result.exit_code) == (outcome, None)
    assert "no verdict" in caplog.text


@pytest.mark.parametrize(
    ("code", "level", "says"),
    [
        (0, logging.INFO, "gate gate.yaml at step 5: passed"),
        (1, logging.WARNING, "failed, see"),
        (8, logging.WARNING, "no verdict (undecided, exit code 8): see its output above; the training goes on"),
    ],
)
def test_what_the_gate_found_is_logged(judge, caplog, code, level, says):
    caplog.set_level(logging.INFO)
    judge(code)
    ((_, found, message),) = caplog.record_tuples
    assert found == level
    assert says in message


@pytest.mark.parametrize(
    ("options", "stops"),
    [
        ({}, []),
        ({"stop_on_failure": True}, ["failed"]),
        ({"stop_on_error": True}, ["incomplete", "undecided", "unknown"]),
    ],
)
def test_a_training_stops_only_where_it_is_asked_to(options, stops):
    gate = SpecGate(spec="gate.yaml", **options)

    def result(outcome):
        return GateResult(step=1, outcome=outcome, exit_code=None, results=None, seconds=0.0)

    outcomes = [GateOutcome(name) for name in ("passed", "failed", "incomplete", "undecided", "unknown")]
    assert [outcome for outcome in outcomes if gate.stops(result(outcome))] == stops


def test_the_command_names_checkpoint_folder_and_overrides(tmp_path):
    run = StandIn([0])
    gate = SpecGate(spec="gate.yaml", output_dir=tmp_path / "7 #", overrides=("method.steps=50",), run=run)
    gate.judge(Path("model.pt"), step=5, folder="V0/step5")
    assert run.commands == [
        [
            *(sys.executable, "-m", "mechint", "run", "--models=model.pt"),
            *("--set", f'output_dir="{tmp_path}/7 #/V0/step5"'),
            *("--set", "method.steps=50", "--", "gate.yaml"),
        ]
    ]


def test_the_child_does_not_take_itself_for_a_process_of_the_training(judge, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "TORCHELASTIC_RUN_ID", "ACCELERATE_USE_FSDP"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setenv("HOME", "/home/me")
    run = StandIn([0])
    judge(0, run=run, environment={"CUDA_VISIBLE_DEVICES": ""}, timeout=7.5)
    assert run.environment.keys().isdisjoint({"RANK", "WORLD_SIZE", "MASTER_ADDR", "TORCHELASTIC_RUN_ID"})
    assert "ACCELERATE_USE_FSDP" not in run.environment
    assert run.environment["OMP_WAIT_POLICY"] == "passive"
    assert (run.environment["HOME"], run.environment["CUDA_VISIBLE_DEVICES"]) == ("/home/me", "")
    assert run.timeout == 7.5


@pytest.mark.parametrize("options", [{"every": 0}, {"timeout": 0.0}])
def test_numbers_without_meaning_are_refused(options):
    with pytest.raises(ValueError, match="or None"):
        SpecGate(spec="gate.yaml", **options)


@pytest.mark.parametrize(("every", "due"), [(None, []), (2, [2, 4])])
def test_a_gate_is_due_after_every_so_many_steps(every, due):
    gate = SpecGate(spec="gate.yaml", every=every)
    assert [step for step in range(6) if gate.is_due(step)] == due


def test_a_childs_output_and_code_come_through(capfd):
    code = run_in_child([sys.executable, "-c", "import sys; print('out'); sys.exit(8)"], {}, None)
    assert code == 8
    assert capfd.readouterr().out == "out\n"


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A file that a child makes when it has begun; until then, no time that it is given goes by."""
    begun = tmp_path / "begun"

    class Begun(subprocess.Popen):
        def wait(self, timeout=None):
            while not begun.exists() and self.poll() is None:
                time.sleep(0.01)
            return super().wait(timeout)

    monkeypatch.setattr("mechint.training.gate.subprocess.Popen", Begun)
    return begun


def test_a_child_that_takes_too_long_may_write_what_it_has(begun, monkeypatch, capfd):
    monkeypatch.setattr("mechint.training.gate._GRACE", 600.0)
    script = (
        f"{HEARS_INTERRUPTS}import time\n"
        f"try:\n    print('started', flush=True)\n    open({str(begun)!r}, 'w').close()\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('writes what it has')"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        run_in_child([sys.executable, "-c", script], {}, 0.1)
    assert capfd.readouterr().out == "started\nwrites what it has\n"


def test_a_child_that_will_not_end_is_killed(begun, monkeypatch, capfd):
    monkeypatch.setattr("mechint.training.gate._GRACE", 0.1)
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\n"
        f"open({str(begun)!r}, 'w').close()\n"
        "time.sleep(600)"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        run_in_child([sys.executable, "-c", script], {}, 0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(capfd.readouterr().out), 0)


def test_an_interrupt_ends_the_training_and_lets_the_child_write_what_it_has():
    """From a terminal it reaches both; the child has to see it once."""
    child = (
        f"{HEARS_INTERRUPTS}import time\n"
        "try:\n    print('started', flush=True)\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5)\n    print('written', flush=True)"
    )
    script = (
        f"{HEARS_INTERRUPTS}import sys\n"
        "from mechint.training import gate\n"
        "gate._GRACE = 600.0\n"
        f"try:\n    gate.run_in_child([sys.executable, '-c', {child!r}], {{}}, None)\n"
        "except KeyboardInterrupt:\n    print('stopped')"
    )
    training = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert training.stdout.readline() == "started\n"
    os.killpg(training.pid, signal.SIGINT)
    assert training.communicate(timeout=600)[0] == "written\nstopped\n"


def test_a_spec_with_a_fault_is_refused_before_the_training(tmp_path, capfd):
    (tmp_path / "gate.yaml").write_text("version: 1\nname: x\n")
    gate = SpecGate(spec=tmp_path / "gate.yaml")
    with pytest.raises(UsageError, match=r"gate\.yaml: the gate's spec cannot be used \(exit code 4\)"):
        CheckpointCallback(tmp_path, "V0", config={"n_head": 2}, gate=gate)
    assert "gate.yaml" in capfd.readouterr().err


def trained(tmp_path, codes, *, steps=6, **options):
    """A loop of so many steps with a gate every two of them; the saver and the last step."""
    run = StandIn(list(codes))
    gate = SpecGate(spec="gate.yaml", every=2, output_dir=tmp_path / "gate", run=run, **options)
    saver = CheckpointCallback(tmp_path, "V0", config={"n_head": 2}, gate=gate)
    model = random_model()
    for iteration in range(1, steps + 1):
        saver.stepped(model, iteration=iteration)
        if saver.should_stop:
            break
    saver.finished(model, iteration=iteration)
    return saver, iteration


def test_a_loop_stops_at_the_first_checkpoint_that_fails(tmp_path):
    saver, last = trained(tmp_path, [0, 1], stop_on_failure=True)
    assert last == 4
    assert [result.outcome for result in saver.judged] == ["passed", "failed"]
    assert {path.name for path in tmp_path.glob("*.pt")} == {
        "checkpoint_iter_2_stepV0.pt",
        "checkpoint_iter_4_stepV0.pt",
        "final_model_stepV0.pt",
    }


def test_a_loop_goes_on_where_it_is_not_asked_to_stop(tmp_path):
    saver, last = trained(tmp_path, [1, 4, 0, 0], steps=7)
    assert (last, saver.should_stop) == (7, False)
    assert [result.step for result in saver.judged] == [2, 4, 6, 7]


def test_the_final_model_is_judged_in_a_folder_of_its_own(tmp_path):
    saver, _ = trained(tmp_path, [0], steps=1)
    assert saver.judged[0].results == tmp_path / "gate/V0/final/results.json"
    assert saver.gate.run.judged == [f"{tmp_path}/final_model_stepV0.pt"]


def test_the_curves_say_what_the_gate_found(tmp_path):
    trained(tmp_path, [0, 1], steps=3)
    saved = json.loads((tmp_path / "training_metrics_stepV0.json").read_text())
    assert [(gate["step"], gate["outcome"], gate["exit_code"]) for gate in saved["gates"]] == [
        (2, "passed", 0),
        (3, "failed", 1),
    ]
    assert saved["gates"][0]["results"] == str(tmp_path / "gate/V0/step2/results.json")


def test_without_a_gate_nothing_is_saved_on_the_way(tmp_path):
    saver = CheckpointCallback(tmp_path, "V0", config={"n_head": 2})
    saver.stepped(random_model(), iteration=2)
    assert not saver.should_stop
    assert not list(tmp_path.iterdir())


def test_a_gate_leaves_the_random_state_alone(tmp_path):
    gate = SpecGate(spec="gate.yaml", every=1, output_dir=tmp_path / "gate", run=StandIn([0]))
    saver = CheckpointCallback(tmp_path, "V0", config={"n_head": 2}, gate=gate)
    model = random_model()
    before = torch.get_rng_state()
    saver.stepped(model, iteration=1)
    assert len(saver.judged) == 1
    assert torch.equal(torch.get_rng_state(), before)


def test_only_the_main_process_judges(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 1)
    saver, _ = trained(tmp_path, [], steps=3)
    assert saver.judged == []


def test_a_process_alone_is_the_main_one_and_agrees_with_itself():
    assert is_main_process()
    assert [agreed_by_all(decision) for decision in (True, False)] == [True, False]


def test_every_process_takes_the_main_ones_decision(tmp_path):
    """Two processes of which only the first says stop, then only the second."""
    script = (
        "import sys\n"
        "from torch import distributed\n"
        "from mechint.training.gate import agreed_by_all, is_main_process\n"
        "rank = int(sys.argv[1])\n"
        "distributed.init_process_group('gloo', init_method='file://' + sys.argv[2], rank=rank, world_size=2)\n"
        "print(is_main_process(), agreed_by_all(rank == 0), agreed_by_all(rank == 1))\n"
        "distributed.destroy_process_group()"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    both = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    printed = [process.communicate(timeout=600)[0].splitlines()[-1] for process in both]
    assert printed == ["True True False", "False True False"]
