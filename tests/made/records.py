"""Journals of made-up sweeps, and trackers that fail."""

from pathlib import Path

from search.record.journal import Journal, create, trial_folder
from search.record.records import AttemptRow, EndRow, EpochRow, Facts, OpenRow, SweepRow, TrialRow
from search.record.trial import config_with
from search.tracking.spool import Spool, sync
from spaces.schema import tree_id

OBJECTIVE = "val/mpjpe_mm"
URI = "http://tracker:5000"
QUICK = (0.001, 0.01)  # seconds between tries
CONFIG = {"model": "graformer", "optim": {"lr": 1e-05, "clip": 1.0}, "data": {"actions": ["Walking", "Eating"]}}
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: width 7 is odd\n'


def made_journal(folder: Path, **changes) -> Journal:
    """A sweep that has just begun."""
    plan = {"objective": OBJECTIVE, "trials": 3, "recipe": "small", "time_budget_s": None}
    data = {"set": "tiny", "fingerprint": "0f3a91c2de44", "train": ["S1", "S5"]}
    facts = Facts(revision="abc+changes", versions={"torch": "2.13"}, data=data)
    fields = {"id": folder.name, "name": "first", "model": "graformer", "plan": plan, "space": "model: graformer\n"}
    return create(folder, SweepRow(**{**fields, "base": CONFIG, "facts": facts, **changes}))


def config_id_of(number: int) -> str:
    return tree_id(config_with(CONFIG, point_of(number)))


def point_of(number: int) -> dict[str, float]:
    return {"optim.lr": 0.001 * (number + 1)}


def add_trial(journal: Journal, number: int) -> None:
    journal.append(TrialRow(trial=number, point=point_of(number), config_id=config_id_of(number)))
    add_attempt(journal, number, 1)


def add_attempt(journal: Journal, number: int, attempt: int) -> None:
    journal.append(AttemptRow(trial=number, attempt=attempt, after_epoch=journal.trials[number].last_epoch))


def add_epoch(journal: Journal, number: int, epoch: int, score: float) -> None:
    metrics = {OBJECTIVE: score}
    journal.append(EpochRow(trial=number, epoch=epoch, metrics=metrics, seconds=2.0, lr=0.5, loss=0.25))


def add_end(journal: Journal, number: int, state: str, reason: str = "") -> None:
    journal.append(EndRow(trial=number, state=state, epoch=journal.trials[number].last_epoch, reason=reason))


def made_sweep(folder: Path) -> Journal:
    """Three trials: finished with 41, failed, cut short by an interrupt and then finished with 39."""
    journal = made_journal(folder)
    for number in range(3):
        add_trial(journal, number)
    for epoch, score in enumerate((50.0, 41.0, 44.0), 1):
        add_epoch(journal, 0, epoch, score)
        add_epoch(journal, 2, epoch, score + 1)
    add_end(journal, 0, "finished")
    add_end(journal, 1, "failed", TRACEBACK)
    journal.close("interrupted")
    journal.append(OpenRow())
    add_attempt(journal, 2, 2)
    add_epoch(journal, 2, 4, 39.0)
    add_end(journal, 2, "finished")
    journal.close("done")
    for number in (0, 2):
        trial_folder(folder, number).mkdir(parents=True)
        (trial_folder(folder, number) / "best.safetensors").write_bytes(b"weights %d" % number)
    return journal


def send(journal: Journal, tracker, uri: str = URI) -> Spool:
    """All of the journal, sent at once."""
    return sync(journal.path, lambda: tracker, OBJECTIVE, uri, QUICK)


class Killed(BaseException):
    """The end of a process, which no `except Exception` survives."""


class Mortal:
    """A tracker in a process that is killed right after its n-th call, before anything takes note of it."""

    def __init__(self, tracker, calls: int) -> None:
        self.tracker, self.calls = tracker, calls

    def __getattr__(self, name):
        def call(*values):
            result = getattr(self.tracker, name)(*values)
            self.calls -= 1
            if not self.calls:
                raise Killed
            return result

        return call


class Flaky:
    """A tracker that raises as long as `is_down(call name, arguments)` says so."""

    def __init__(self, tracker, is_down) -> None:
        self.tracker, self.is_down, self.refused = tracker, is_down, 0

    def __getattr__(self, name):
        def call(*values):
            if self.is_down(name, values):
                self.refused += 1
                raise ConnectionError("no route to http://me:hush@tracker:5000")
            return getattr(self.tracker, name)(*values)

        return call
