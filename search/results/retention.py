"""Retention of checkpoints: which files of ended trials a sweep keeps (`launch --keep`), and their removal."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from spaces.errors import one_line
from spaces.files import size_text
from trainables.runs.names import BEST, LATEST, SNAPSHOTS

from ..executors.mirror import MirrorError, copies, discard_copies
from ..record.journal import Journal, trial_folder
from ..record.options.choices import PAUSING, PBT
from ..record.records import ENDED, KEEP_ALL, KEEP_BEST, KEEP_LAST, PAUSED, EndRow, EpochRow, Row
from ..record.trial import Trial


class Retention:
    """Removes the checkpoints that a sweep's `keep` does not keep, once the end of their trial is on record. A failure
    to remove is told and not raised.

    With `keep` best that is the training state of every ended trial, and the weights of every ended or paused one but
    the best of those; a paused trial keeps its training state. Trials that run, are stopped or lost keep everything.
    `tell`: prints one line; `at_a_time`: number of trials that run at once."""

    def __init__(self, journal: Journal, tell: Callable[[str], None], at_a_time: int) -> None:
        self._journal = journal
        self._folder = journal.path.parent
        self._keep = journal.sweep.keep
        self._tell = tell
        self._at_a_time = at_a_time
        self._winner = best_held(journal)
        self._has_complained = self._is_told = False

    def watch(self, row: Row) -> None:
        """Acts on a record that has just been written: tells from the first epoch what room the sweep will need, and
        removes files after the end of a trial. Takes time independent of the number of trials."""
        if isinstance(row, EpochRow) and not self._is_told:
            self._tell_room(self._journal.trials[row.trial])
        elif isinstance(row, EndRow) and self._keep == KEEP_BEST:
            trial, former = self._journal.trials[row.trial], self._winner
            if row.state in ENDED:
                self._removed(self._states(row.trial))
            if not _is_judged(trial) or trial is former:
                return
            self._winner = trial if _rank(trial) < _rank(former) else former
            loser = former if self._winner is trial else trial
            if loser is not None and self._winner is not None and self._weights(self._winner).is_file():
                self._removed([self._weights(loser)])

    def settle(self) -> None:
        """Removes everything of all ended trials that is not to be kept, here and at the sweep's checkpoint URI: what a
        crash between record and removal has left, and what a worker wrote after its trial was ended."""
        if self._keep != KEEP_BEST:
            return
        self._winner = best_held(self._journal)
        self._removed(surplus(self._journal))
        uri, name = self._journal.sweep.checkpoints, self._journal.sweep.name
        if uri:
            try:
                discard_copies(uri, name, surplus_copies(self._journal, copies(uri, name)))
            except MirrorError as error:
                self._complain(str(error))

    def _weights(self, trial: Trial) -> Path:
        return trial_folder(self._folder, trial.number) / BEST

    def _states(self, number: int) -> Iterator[Path]:
        return states_in(trial_folder(self._folder, number))

    def _removed(self, paths: Iterator[Path] | list[Path]) -> None:
        for path in paths:
            try:
                remove(path)
            except OSError as error:
                self._complain(f"{path}: {error.strerror or one_line(error)}")

    def _complain(self, problem: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._tell(f"checkpoints that are no longer needed could not be removed: {problem}")

    def _tell_room(self, trial: Trial) -> None:
        folder = trial_folder(self._folder, trial.number)
        try:
            weights, state = (folder / BEST).stat().st_size, (folder / LATEST).stat().st_size
            free = shutil.disk_usage(folder).free
        except OSError:  # they lie on another node, or a first epoch without a score has no weights
            return
        self._is_told = True
        left = self._journal.sweep.trials - self._journal.state.ended
        pausing = left if self._journal.sweep.plan.get("scheduler") in (*PAUSING, PBT) else 0
        need = room_needed(self._keep, left, min(left, self._at_a_time), weights, state, _snapshots(trial), pausing)
        self._tell(
            f"checkpoints: about {size_text(need)} for {left} trials (--keep {self._keep}), {size_text(free)} free on "
            f"{mount_of(folder)}"
        )
        if need > free:
            remedy = "make room, or launch it with fewer trials, another --storage"
            remedy += "" if self._keep == KEEP_BEST else f", or --keep {KEEP_BEST}"
            self._tell(f"warning: the checkpoints will not fit: {size_text(need - free)} are lacking; {remedy}")


def room_needed(
    keep: str, trials: int, at_a_time: int, weights: int, state: int, snapshots: int, pausing: int = 0
) -> int:
    """Estimates the most bytes that the checkpoints of `trials` take at once. `weights`, `state`: bytes of one trial's
    best weights and training state; `snapshots`: number of states of a trial that `keep` all adds; `pausing`: of the
    trials, how many may be paused at once."""
    # Of each running trial also the file that is about to replace its state.
    if keep == KEEP_BEST:
        return weights + at_a_time * (weights + 2 * state) + max(0, pausing - at_a_time) * state
    kept = weights + state + (snapshots * state if keep == KEEP_ALL else 0)
    return trials * kept + at_a_time * state


def _snapshots(trial: Trial) -> int:
    every = trial.knob("loop.snapshot_epochs")
    return int(trial.knob("loop.epochs")) // int(every) if every else 0


def mount_of(path: Path) -> Path:
    """Returns the mount point of the disk on which an existing path lies."""
    at = path.resolve()
    while not os.path.ismount(at):
        at = at.parent
    return at


def _rank(trial: Trial | None) -> tuple[bool, float, int]:
    if trial is None or trial.own_score is None:
        return True, float("inf"), 0
    return bool(trial.broken), trial.own_score, trial.number


def _is_judged(trial: Trial) -> bool:
    """Returns whether a trial keeps its weights only if it is the best: it has ended, or it is paused and its score can
    only get better (`loop.keep` lowest)."""
    return trial.has_ended or (trial.state == PAUSED and trial.knob("loop.keep") != "last")


def best_held(journal: Journal) -> Trial | None:
    """Returns the trial with the lowest score among those that have ended or are paused, the one with the lowest number
    among equals; None if none has a score."""
    held = [trial for trial in journal.trials.values() if _is_judged(trial) and trial.own_score is not None]
    return min(held, key=_rank, default=None)


def states_in(folder: Path) -> Iterator[Path]:
    """Iterates over the folders with training states, last and snapshots, in a trial's folder; links are left out."""
    latest = folder / PurePosixPath(LATEST).parent
    for path in (latest, *sorted(folder.glob(SNAPSHOTS))):
        if path.is_dir() and not path.is_symlink():
            yield path


def surplus(journal: Journal, *, with_states: bool = True, with_weights: bool = True) -> list[Path]:
    """Lists what a sweep has on this disk and the policy of keeping the best only does not keep: the training states of
    ended trials, and the weights of all ended or paused ones but the best if that one's are on disk. Of a sweep that
    keeps more, paused trials have all that they need."""
    folder, best = journal.path.parent, best_held(journal)
    is_safe = best is not None and (trial_folder(folder, best.number) / BEST).is_file()
    found: list[Path] = []
    for trial in journal.trials.values():
        home = trial_folder(folder, trial.number)
        if not _is_surplus(journal, trial) or home.is_symlink() or home.parent.is_symlink():
            continue
        found += states_in(home) if with_states and trial.has_ended else ()
        weights = home / BEST
        if with_weights and is_safe and trial is not best and weights.is_file() and not weights.is_symlink():
            found.append(weights)
    return found


def _is_surplus(journal: Journal, trial: Trial) -> bool:
    return _is_judged(trial) if journal.sweep.keep == KEEP_BEST else trial.has_ended


def surplus_copies(
    journal: Journal, found: dict[str, int], *, with_states: bool = True, with_weights: bool = True
) -> list[str]:
    """Selects the same from the copies at a sweep's URI. `found`: path below trials/ -> bytes."""
    best = best_held(journal)
    kept = "" if best is None else f"{best.number:04d}/{BEST}"
    chosen = []
    for path in found:
        number, _, name = path.partition("/")
        trial = journal.trials.get(int(number)) if re.fullmatch(r"\d{4,}", number) else None
        is_state = with_states and name == LATEST and trial is not None and trial.has_ended
        is_weights = with_weights and name == BEST and kept in found and path != kept
        if trial is not None and _is_surplus(journal, trial) and (is_state or is_weights):
            chosen.append(path)
    return chosen


def lacking_weights(journal: Journal, trial: Trial) -> str:
    """Says why a trial has no weights here, and which trials have: 'trial 3 has no weights at PATH; ...'."""
    folder = journal.path.parent
    here = [number for number in journal.trials if (trial_folder(folder, number) / BEST).is_file()]
    text = f"trial {trial.number} has no weights at {trial_folder(folder, trial.number) / BEST}"
    if trial.own_score is None:
        text += ": no epoch of it has a score"
    elif journal.sweep.keep == KEEP_BEST:
        text += f": the sweep keeps those of its best trial only; `launch --keep {KEEP_LAST}` keeps every trial's"
    return f"{text}; trials with weights here: {', '.join(map(str, here)) or 'none'}"


def remove(path: Path) -> None:
    """Removes a file, or a folder with all in it, without following links; does nothing if it is gone. OSError if it
    cannot be removed."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return
