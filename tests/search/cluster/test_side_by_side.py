"""Sweeps that share a machine, one that finds no place there, and what Ctrl-C and SIGTERM do to them."""

import shlex
import signal
from contextlib import ExitStack

import pytest

from tests.made.commands import LIMIT_S, journal_of, launch, new_home, places, run, start, wait_for
from trainables.devices.cpus import num_cpus

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CPUS = num_cpus()
SIGNALS = {"left": signal.SIGINT, "right": signal.SIGTERM}


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    return new_home(tmp_path_factory.mktemp("home"), empty_store)


@pytest.fixture(scope="module")
def sweeps(home):
    """Two sweeps with half of the machine each, until both have trained; then a third, which asks for a half; then each
    gets its signal. The third, and each sweep's exit code and what it printed."""
    options = ["--trials", "4", "--concurrent", "1", "--cpus-per-worker", str(CPUS / 2), "--epochs", "5000"]
    with ExitStack() as stack:
        started = {}
        for name in SIGNALS:
            line = launch(home, name, *options, "--scheduler", "none")
            # Into a file: nobody would empty a pipe while they train.
            started[name] = stack.enter_context(start(line, home / f"{name}.out"))
        try:
            wait_for(lambda: all(_num_trained(home, name) == 1 for name in SIGNALS))
            third = run(launch(home, "third", "--trials", "1", "--epochs", "1", "--cpus-per-worker", str(CPUS / 2)))
        finally:
            for name, sweep in started.items():
                sweep.send_signal(SIGNALS[name])
            codes = {name: sweep.wait(LIMIT_S) for name, sweep in started.items()}
    return third, {name: (code, (home / f"{name}.out").read_text()) for name, code in codes.items()}


def _num_trained(home, name):
    """Trials with an epoch; none while there is no journal."""
    try:
        return sum(bool(trial.epochs) for trial in journal_of(home, name).trials.values())
    except FileNotFoundError:
        return 0


def test_two_sweeps_share_a_machine(home, sweeps):
    for name in SIGNALS:
        journal = journal_of(home, name)
        assert journal.sweep.name == name
        assert list(journal.trials) == [0]


def test_a_third_is_told_why_it_cannot(home, sweeps):
    third, _ = sweeps
    assert third.returncode == 2
    assert f"a trial needs {CPUS / 2:g} CPU" in third.stderr
    assert f"{CPUS:g} CPU" in third.stderr
    assert "sweep left" in third.stderr
    assert "sweep right" in third.stderr
    assert not (home / "sweeps" / "third").exists()


@pytest.mark.parametrize("name", SIGNALS, ids=["ctrl-c", "kill"])
def test_an_interrupt_ends_in_good_order_and_says_how_to_go_on(home, sweeps, name):
    code, printed = sweeps[1][name]
    assert code == 130
    last = printed.splitlines()[-1]
    assert last == "interrupted; go on with: " + shlex.join(["python", "-m", "search", "resume", name, *places(home)])
    journal = journal_of(home, name)
    assert journal.close_reason == "interrupted"
    assert not any(trial.has_ended for trial in journal.trials.values())
