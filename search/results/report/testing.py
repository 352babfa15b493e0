"""Test scores of a report: those that are kept, or new ones, or why there are none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import InputError, one_line
from spaces.loading import named
from trainables.runs.names import BEST

from ...executors.mirror import MirrorError, bring
from ...record.durations import rough_text
from ...record.journal import Journal, is_held, trial_folder
from ...record.trial import Trial
from ...terminal.modes import mode_of
from ...terminal.screen import LONG_S, Screen
from ..retention import lacking_weights
from .heads import is_confirmation
from .kept import Side, Tested, Weights, read_tested, write_tested


@dataclass(frozen=True, slots=True)
class Scores:
    """Test scores of a sweep, None if there are none; `why` there are none, or not all, '' if nobody has asked."""

    tested: Tested | None = None
    why: str = ""


def sides_of(journal: Journal) -> list[Trial]:
    """Lists the trials whose weights a report scores: the best, and the recipe if that is another one; [] if none has a
    score, and for a confirmation, which has test scores of its own."""
    best = journal.state.best()
    if best is None or is_confirmation(journal):
        return []
    has_recipe = 0 in journal.trials and best.number and not journal.sweep.single
    return [best, journal.trials[0]] if has_recipe else [best]


def weights_file(journal: Journal, trial: Trial) -> Path:
    """Returns where the best weights of a trial lie; those of a single run lie in its own folder."""
    folder = journal.path.parent
    return (folder if journal.sweep.single else trial_folder(folder, trial.number)) / BEST


def weights_of(journal: Journal, trial: Trial) -> Weights:
    """Identifies the best weights of a trial; the digest of a file that is not there is ''."""
    epoch = trial.best_epoch(journal.sweep.objective)
    try:
        with weights_file(journal, trial).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        digest = ""
    return Weights(trial=trial.number, attempt=trial.attempts, epoch=epoch, config_id=trial.config_id, digest=digest)


def kept_scores(journal: Journal) -> Scores:
    """Reads the scores that an earlier report has kept, if they are of the weights and data that the sweep has now.
    Nothing is scored."""
    tested, sides = read_tested(journal.path.parent), sides_of(journal)
    if (
        tested is None
        or not sides
        or (tested.sweep, tested.data) != (journal.sweep.id, journal.sweep.facts.fingerprint)
    ):
        return Scores()
    trials = {trial.number: trial for trial in sides}
    if tested.sides[0].weights.trial != sides[0].number:
        return Scores(
            why=f"those that are kept are of trial {tested.sides[0].weights.trial}, which was the best before"
        )
    if not all(one.weights.trial in trials and _is_of(one, journal, trials[one.weights.trial]) for one in tested.sides):
        return Scores(why="those that are kept are of other weights")
    return Scores(tested)


def _is_of(side: Side, journal: Journal, trial: Trial) -> bool:
    """Returns whether scores are of the present weights of a trial; of weights that have been removed epoch and config
    tell. Attempts do not count: one more that finds nothing better leaves the weights as they are."""
    now, then = weights_of(journal, trial), side.weights
    return (then.epoch, then.config_id) == (now.epoch, now.config_id) and now.digest in ("", then.digest)


def scores_of(journal: Journal) -> Scores:
    """Returns the scores of a sweep that are kept, or scores its weights on the test subjects, which may take long, and
    keeps that. Whatever prevents it is the reason in the answer; nothing is raised but KeyboardInterrupt."""
    kept, sides = kept_scores(journal), sides_of(journal)
    if is_confirmation(journal):
        return kept
    if not sides:
        return Scores(why="no trial has a score yet")
    if is_held(journal.path):
        return kept if kept.tested is not None else Scores(why="the sweep is running, and its best trial may change")
    known = 0 if kept.tested is None else len(kept.tested.sides)
    if known == len(sides):
        return kept
    lacking = [why for trial in sides if (why := _lack_of(journal, trial))]
    if _lack_of(journal, sides[0]) or len(sides) - len(lacking) == known:
        return Scores(kept.tested, "; ".join(lacking))
    try:
        tested = _scored(journal, sides[: len(sides) - len(lacking)])
    except InputError as error:
        return Scores(kept.tested, f"{error.where}: {'; '.join(error.problems)}")
    except Exception as error:  # of the libraries that compute: a report has all else to say
        return Scores(kept.tested, one_line(error))
    try:
        write_tested(journal.path.parent, tested)
    except InputError as error:
        return Scores(tested, f"not kept: {error}")
    return Scores(tested, "; ".join(lacking))


def _lack_of(journal: Journal, trial: Trial) -> str:
    """Says why a trial has no weights here, after bringing those that lie at a URI; '' if it has."""
    file = weights_file(journal, trial)
    try:
        if not file.is_file():
            bring(journal, trial)
    except (MirrorError, OSError) as error:
        return f"the weights of trial {trial.number} were not brought here: {error}"
    if file.is_file():
        return ""
    return f"there are no weights at {file}" if journal.sweep.single else lacking_weights(journal, trial)


def _scored(journal: Journal, sides: list[Trial]) -> Tested:
    with Screen(mode_of(None)) as screen:
        with screen.step("loading torch"):
            score = named("search.results.report.scoring:score_sides")
        who = " and ".join(f"trial {trial.number}" for trial in sides)
        if journal.sweep.single:
            who = "the run"

        def tell(seconds: float, count: int, device: str) -> None:
            if seconds >= LONG_S:
                screen.tell(
                    f"{count:,} test poses on {device}, {who}: about {rough_text(seconds)}; kept for later reports "
                    "(--no-scores leaves them out)"
                )

        with screen.step(f"scoring {who} of {journal.path.parent.name} on the test subjects"):
            tested: Tested = score(journal, sides, tell)
    return tested
