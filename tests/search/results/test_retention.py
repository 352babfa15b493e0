"""Which checkpoints of ended trials stay on disk, when the others go, and what room a sweep says it needs."""

import argparse
import errno
import os
from collections import namedtuple
from types import SimpleNamespace

import pytest

from search.cli.runs.confirm import add_confirm_options, check_confirm
from search.decisions import conductor as conductors
from search.decisions.conductor import Conductor
from search.executors.mirror import Mirror, copies
from search.record.journal import Journal, trial_folder
from search.record.plan import plan_of
from search.record.records import LOST, PAUSED, PROCESS, EndRow
from search.results import retention as retentions
from search.results.retention import Retention, lacking_weights, room_needed
from spaces.schema import dump
from tests.made.sweeps import book, diverged, made_journal, made_plan, row
from trainables.runs.names import BEST, CONFIG, LATEST, LOG

FILES = (BEST, CONFIG, LATEST, LOG, "log.txt")


def write_trial(journal, number, names=FILES):
    """The files of a trial, as a worker writes them before its report."""
    for name in names:
        path = trial_folder(journal.path.parent, number) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)


def held(journal, number):
    """Of the checkpoints of a trial those that are there."""
    folder = trial_folder(journal.path.parent, number)
    assert all((folder / name).is_file() for name in (CONFIG, LOG, "log.txt")), "config and logs always stay"
    return [name for name in (BEST, LATEST) if (folder / name).exists()]


class Sweep:
    """A conductor with retention, whose trials write their files before they report."""

    def __init__(self, folder, **options):
        self.said = []
        self.plan = made_plan(**{"trials": 6, "scheduler": "none", "epochs": 1, "keep": "best", **options})
        self.journal = made_journal(folder, self.plan)
        self.retention = Retention(self.journal, self.said.append, 3)
        self.conductor = Conductor(self.journal, self.plan, 3, self.said.append, None, self.retention.watch)

    def start(self):
        return self.conductor.next_task().trial

    def report(self, number, score, epoch=1):
        write_trial(self.journal, number)
        self.conductor.hear(row(number, epoch, score))

    def run(self, score):
        self.report(number := self.start(), score)
        return number


@pytest.fixture
def make(tmp_path):
    made = []

    def sweep(**options):
        made.append(Sweep(tmp_path, **options))
        return made[-1]

    yield sweep
    for one in made:
        one.journal.unlock()


def test_only_the_best_trial_keeps_weights_and_no_ended_trial_its_state(make):
    sweep = make()
    sweep.run(60.0)
    assert held(sweep.journal, 0) == [BEST]
    sweep.run(70.0)
    assert [held(sweep.journal, number) for number in (0, 1)] == [[BEST], []]
    sweep.run(50.0)
    assert [held(sweep.journal, number) for number in (0, 1, 2)] == [[], [], [BEST]]
    sweep.run(50.0)  # a tie is won by the lower number
    assert [held(sweep.journal, number) for number in (2, 3)] == [[BEST], []]
    assert not (trial_folder(sweep.journal.path.parent, 2) / "latest").exists()


def test_a_trial_that_has_not_ended_keeps_all(make, monkeypatch):
    monkeypatch.setattr(conductors, "REST_S", 60.0)
    sweep = make(epochs=8)
    leader, lost, running = (sweep.start() for _ in range(3))
    for number, score in ((leader, 40.0), (lost, 50.0), (running, 60.0)):
        sweep.report(number, score)
    sweep.conductor.hear(EndRow(trial=lost, state=LOST, epoch=0, reason="killed", cause=PROCESS))
    sweep.conductor.hear(diverged(leader, 2))
    assert held(sweep.journal, leader) == [BEST]
    assert held(sweep.journal, lost) == [BEST, LATEST]
    sweep.conductor.close("time budget")
    sweep.retention.settle()
    assert sweep.journal.trials[running].state == "stopped"
    assert held(sweep.journal, running) == [BEST, LATEST]


def test_a_paused_trial_keeps_its_training_state_and_its_weights_only_if_it_is_the_best(make):
    sweep = make(epochs=8, scheduler="asha")
    numbers = [sweep.start() for _ in range(3)]
    for number, score in zip(numbers, (50.0, 60.0, 40.0), strict=True):
        sweep.report(number, score)
    assert [sweep.journal.trials[number].state for number in numbers] == [PAUSED, PAUSED, "running"]
    assert [held(sweep.journal, number) for number in numbers] == [[BEST, LATEST], [LATEST], [BEST, LATEST]]
    other = sweep.start()
    sweep.report(other, 45.0)
    assert sweep.journal.trials[other].state == PAUSED
    assert [held(sweep.journal, number) for number in (0, other)] == [[LATEST], [BEST, LATEST]]
    sweep.retention.settle()
    assert [held(sweep.journal, number) for number in (0, 1, other)] == [[LATEST], [LATEST], [BEST, LATEST]]
    sweep.conductor.close("done")
    assert [held(sweep.journal, number) for number in (0, 1, other)] == [[], [], [BEST]], "none is to go on any more"


@pytest.mark.parametrize(("options", "left"), [({"keep": "last"}, [BEST, LATEST]), ({"keep": "all"}, [BEST, LATEST])])
def test_where_every_trial_keeps_its_weights_a_paused_one_does(make, options, left):
    sweep = make(epochs=8, scheduler="asha", **options)
    for score in (50.0, 60.0, 70.0):
        sweep.run(score)
    sweep.retention.settle()
    assert [held(sweep.journal, number) for number in (1, 2)] == [left] * 2


def test_a_paused_trial_whose_score_may_get_worse_keeps_its_weights(make):
    sweep = make(epochs=8, scheduler="asha", changes={"loop.keep": "last"})
    for score in (50.0, 60.0, 70.0):
        sweep.run(score)
    assert [held(sweep.journal, number) for number in (1, 2)] == [[BEST, LATEST]] * 2


def test_a_better_trial_that_still_runs_replaces_no_weights_until_it_ends(make):
    # With `loop.keep` last its score may become worse again.
    sweep = make(epochs=2)
    first, second = sweep.start(), sweep.start()
    for epoch in (1, 2):
        sweep.report(first, 60.0, epoch)
    sweep.report(second, 40.0)
    assert held(sweep.journal, first) == [BEST]
    sweep.report(second, 39.0, 2)
    assert held(sweep.journal, first) == []


def test_the_former_best_stays_until_the_new_ones_weights_are_on_disk(make):
    sweep = make()
    sweep.run(60.0)
    number = sweep.start()
    write_trial(sweep.journal, number, [name for name in FILES if name != BEST])
    sweep.conductor.hear(row(number, 1, 50.0))
    assert (held(sweep.journal, 0), held(sweep.journal, number)) == ([BEST], [])
    sweep.retention.settle()
    assert held(sweep.journal, 0) == [BEST]


def test_a_trial_that_fails_keeps_its_logs(make):
    sweep = make(epochs=2)
    number = sweep.start()
    sweep.report(number, 60.0)
    sweep.conductor.failed(number, "Traceback ...\nValueError: no such joint")
    assert held(sweep.journal, number) == [BEST], "the best on record, whatever became of it"
    other = sweep.start()
    write_trial(sweep.journal, other)
    sweep.conductor.hear(EndRow(trial=other, state="diverged", epoch=1, reason="loss is nan"))
    assert held(sweep.journal, other) == []


@pytest.mark.parametrize("keep", ["last", "all"])
def test_other_policies_keep_all_that_a_trial_has(make, keep):
    sweep = make(keep=keep)
    for score in (60.0, 50.0):
        sweep.run(score)
    sweep.retention.settle()
    assert [held(sweep.journal, number) for number in (0, 1)] == [[BEST, LATEST]] * 2


def test_journals_without_the_option_keep_all(make):
    sweep = make(keep="best")
    head = sweep.journal.sweep
    del head.plan["keep"]
    assert head.keep == "last"
    assert plan_of(head, "here").sweep.keep == "last"


def test_a_confirmation_keeps_the_weights_that_it_scores(tmp_path):
    (tmp_path / "one.yaml").write_text(dump(made_plan().base))
    parser = argparse.ArgumentParser()
    add_confirm_options(parser)
    request = check_confirm(parser.parse_args([str(tmp_path / "one.yaml"), "--storage", str(tmp_path / "sweeps")]))
    assert request.plan.sweep.keep == "last"


def crashed(folder, **options):
    """A sweep whose driver died between the records of two ends and what follows from them."""
    plan = made_plan("crashed", **{"trials": 4, "keep": "best", **options})
    journal = made_journal(folder, plan)
    book(journal, plan, {"optim.lr": 2e-3}, [60.0, 52.0])
    book(journal, plan, {"optim.lr": 3e-3}, [70.0], "pruned")
    book(journal, plan, {"optim.lr": 4e-3}, [48.0], "lost")
    for number in range(3):
        write_trial(journal, number)
    return journal


def test_what_a_crash_left_goes_when_the_sweep_is_resumed(tmp_path):
    journal = crashed(tmp_path)
    (trial_folder(journal.path.parent, 1) / "epoch_0005").mkdir()
    Retention(journal, print, 1).settle()
    assert [held(journal, number) for number in range(3)] == [[BEST], [], [BEST, LATEST]]
    assert not (trial_folder(journal.path.parent, 1) / "epoch_0005").exists()


def test_copies_at_the_uri_go_when_the_sweep_ends(tmp_path):
    uri = f"local://{tmp_path / 'bucket'}"
    journal = crashed(tmp_path, checkpoints=uri)
    for number in range(3):
        Mirror(uri, "crashed", number).send(trial_folder(journal.path.parent, number), with_best=True)
    (tmp_path / "bucket" / "crashed" / "trials" / "notes.txt").write_text("mine")
    Retention(journal, print, 1).settle()
    states = {f"0002/{name}" for name in (BEST, CONFIG, LATEST)}
    assert set(copies(uri, "crashed")) == {f"0000/{BEST}", f"0000/{CONFIG}", f"0001/{CONFIG}", "notes.txt"} | states


def test_a_store_that_refuses_is_told_and_ends_nothing(tmp_path):
    journal = crashed(tmp_path, checkpoints="nosuch://bucket")
    said = []
    Retention(journal, said.append, 1).settle()
    (line,) = said
    assert line.startswith("checkpoints that are no longer needed could not be removed: the checkpoint store nosuch://")
    assert held(journal, 1) == []


def test_a_disk_that_refuses_is_told_once(make, monkeypatch):
    def refuse(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    sweep = make()
    monkeypatch.setattr(retentions, "remove", refuse)
    for score in (60.0, 50.0):
        sweep.run(score)
    told = [line for line in sweep.said if "could not be removed" in line]
    assert len(told) == 1
    assert "Read-only file system" in told[0]
    assert sweep.journal.trials[1].state == "finished"


def test_links_are_not_followed(tmp_path):
    journal = crashed(tmp_path)
    away = tmp_path / "away"
    (away / "latest").mkdir(parents=True)
    (away / "latest" / "state.pt").touch()
    folder = trial_folder(journal.path.parent, 1)
    retentions.remove(folder / "latest")
    (folder / "latest").symlink_to(away / "latest")
    Retention(journal, print, 1).settle()
    assert (away / "latest" / "state.pt").exists()
    assert (folder / "latest").is_symlink()


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("keep", "free", "line", "warning"),
    [
        ("best", 10**9, "checkpoints: about 10 kB for 6 trials (--keep best), 1.0 GB free on ", None),
        ("last", 10**9, "checkpoints: about 15 kB for 6 trials (--keep last), 1.0 GB free on ", None),
        ("all", 10**9, "checkpoints: about 21 kB for 6 trials (--keep all), 1.0 GB free on ", None),
        ("last", 5000, "checkpoints: about 15 kB for 6 trials", "or --keep best"),
        ("best", 5000, "checkpoints: about 10 kB for 6 trials", "another --storage"),
    ],
)
def test_the_room_is_told_after_the_first_checkpoint(make, monkeypatch, keep, free, line, warning):
    monkeypatch.setattr(retentions.shutil, "disk_usage", lambda path: Usage(10**12, 0, free))
    sweep = make(keep=keep, epochs=8, changes={"loop.snapshot_epochs": 5})
    number = sweep.start()
    assert not any("checkpoints:" in said for said in sweep.said)
    for epoch in (1, 2):
        sweep.report(number, 60.0, epoch)
    (told,) = [said for said in sweep.said if said.startswith("checkpoints:")]
    assert told.startswith(line)
    warnings = [said for said in sweep.said if said.startswith("warning: the checkpoints will not fit: ")]
    assert len(warnings) == (warning is not None)
    assert all(warning in said for said in warnings)


def test_the_room_of_a_trial_on_another_node_is_not_told(make):
    sweep = make()
    sweep.conductor.hear(row(sweep.start(), 1, 60.0))
    assert not any("checkpoints" in said for said in sweep.said)


def test_room_grows_with_trials_only_where_they_keep_checkpoints():
    sizes = SimpleNamespace(at_a_time=2, weights=10, state=30, snapshots=4)
    few, many = (
        {keep: room_needed(keep, trials, *vars(sizes).values()) for keep in ("best", "last", "all")}
        for trials in (10, 20)
    )
    assert few["best"] == many["best"] == 150
    waiting = [room_needed("best", trials, *vars(sizes).values(), pausing=trials) for trials in (1, 10, 20)]
    assert waiting == [150, 150 + 8 * 30, 150 + 18 * 30]
    assert (few["last"], many["last"]) == (460, 860)
    assert (few["all"], many["all"]) == (1660, 3260)


def test_lacking_weights_are_explained(tmp_path):
    journal = crashed(tmp_path)
    Retention(journal, print, 1).settle()
    said = lacking_weights(Journal(journal.path), journal.trials[1])
    assert said.startswith("trial 1 has no weights at ")
    assert said.endswith(
        ": the sweep keeps those of its best trial only; `launch --keep last` keeps every trial's; "
        "trials with weights here: 0, 2"
    )
