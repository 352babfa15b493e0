"""State machine of a sweep: applies its records in order and checks each against the state. Used by the journal and by
the MLflow projection."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, TypeVar

from .records import (
    ENDS,
    LOST,
    MACHINE,
    PAUSED,
    STOPPED,
    USER,
    AttemptRow,
    CloseRow,
    CostRow,
    EndRow,
    EpochRow,
    ExtendRow,
    MisfitError,
    NoteRow,
    OpenRow,
    Row,
    ScoreRow,
    SessionRow,
    SweepRow,
    TrialRow,
)
from .spending.spend import COUNTS, Spend
from .trial import Terms, Trial, Turn

MOST_EPOCHS = 2**31 - 1  # what 32 bits hold
SPARE = 64  # out-of-date candidates for the best that are kept before they are thrown away

Known = TypeVar("Known")


class SweepState:
    """State of a sweep after a prefix of its records. `apply` them in order.

    `sweep`: the first record, as large as later ones make the sweep; `trials`: by number, assigned in order of
    creation; `ended`: number of ended trials; `undecided`: the last epoch, if nothing happened to any trial since: what
    follows from it may not be on record yet; `notes`: remarks of users, `extensions`: enlargements, both oldest first;
    `spend`: the time that it took.

    `apply` and `best` take time independent of the number of trials and epochs, amortised, enlargements apart."""

    def __init__(self) -> None:
        self.sweep: SweepRow | None = None
        self._terms: Terms | None = None  # of the sweep
        self.spend = Spend()
        self.trials: dict[int, Trial] = {}
        self.notes: list[str] = []
        self.extensions: list[ExtendRow] = []
        self._config_ids: set[str] | None = set()  # None: all have changed
        self.ended = 0
        self.undecided: EpochRow | None = None
        self.is_closed = False
        self.close_reason = ""
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        # Score and number of trials, the best first, among which are some that have other scores by now; None until
        # somebody asks for the best, as a replay goes faster without.
        self._candidates: list[tuple[float, int]] | None = None

    def apply(self, row: Row) -> None:
        """Applies the next record to the state. MisfitError if it contradicts those before it."""
        change, count = _STEPS[type(row)]
        change(self, row)
        if count is not None:
            count(self.spend, row)

    def _start(self, row: SweepRow) -> None:
        if self.sweep is not None:
            raise MisfitError("the sweep begins a second time")
        self.sweep, self._terms = row, Terms.of(row)

    def _close(self, row: CloseRow) -> None:
        if row.best is not None:
            self._trial(row.best)
        self.is_closed, self.close_reason = True, self._begun(row.reason)

    def _open(self, row: OpenRow) -> None:
        self.is_closed = self._begun(False)

    def _session(self, row: SessionRow) -> None:
        self._begun(None)

    def _begun(self, value: Known) -> Known:
        """Returns `value` unchanged. MisfitError if there is no sweep record yet."""
        if self.sweep is None:
            raise MisfitError("the first record is not that of a sweep")
        return value

    def _trial(self, number: int) -> Trial:
        trial = self.trials.get(number)
        if trial is None:
            self._begun(None)
            raise MisfitError(f"no trial {str(number)[:20]} was born before")
        return trial

    def _born(self, row: TrialRow) -> None:
        if self._terms is None:
            raise MisfitError("the first record is not that of a sweep")
        if row.trial != len(self.trials):
            raise MisfitError(f"trial {str(row.trial)[:20]} is born where trial {len(self.trials)} should be")
        self.undecided = None
        self.trials[row.trial] = Trial(row.trial, row.point, row.config_id, self._terms, row.config)
        if self._config_ids is not None:
            self._config_ids.add(row.config_id)

    @property
    def config_ids(self) -> set[str]:
        """Returns the hashes of all trials' configs, as they are now."""
        if self._config_ids is None:
            self._config_ids = {trial.config_id for trial in self.trials.values()}
        return self._config_ids

    def _extend(self, row: ExtendRow) -> None:
        if self.sweep is None:
            raise MisfitError("the first record is not that of a sweep")
        states = dict.fromkeys(row.again, "waiting") | dict.fromkeys(row.waiting, PAUSED)
        again = [(self._trial(number), state) for number, state in states.items()]
        self.sweep = self.sweep.grown(row)
        self._terms = Terms.of(self.sweep)
        for trial in self.trials.values():
            trial.grow(self._terms)
        for trial, state in again:
            self.ended -= trial.has_ended
            trial.state, trial.reason = state, ""
        self.undecided = None
        self._config_ids = None if row.epochs is not None else self._config_ids
        self.extensions.append(row)

    def _note(self, row: NoteRow) -> None:
        self.notes.append(self._begun(row.text))

    def _attempt(self, row: AttemptRow) -> None:
        trial = self._trial(row.trial)
        self.ended -= trial.has_ended
        self.undecided = None
        trial.state, trial.reason, trial.attempts, trial.is_dismissed = "running", "", row.attempt, False
        trial.started_after = row.after_epoch
        if row.donor is not None:
            trial.turns = (*trial.turns, Turn(row.after_epoch, self._trial(row.donor).number, row.knobs or {}))

    def _score(self, row: ScoreRow) -> None:
        self._trial(row.trial).test = row.metrics

    def _epoch(self, row: EpochRow) -> None:
        trial = self.trials.get(row.trial) or self._trial(row.trial)
        if not 1 <= row.epoch <= MOST_EPOCHS:
            raise MisfitError(f"{str(row.epoch)[:20]} is no epoch")
        self.undecided = row
        names = tuple(row.metrics)
        names = self._names.get(names) or self._names.setdefault(names, names)
        if self._candidates is None:
            trial.book(row.epoch, row.metrics, names)
            return
        before = trial.own_score
        trial.book(row.epoch, row.metrics, names)
        # With limits a trial may lose and win its place among the candidates at the same score.
        if trial.own_score is not None and (trial.own_score != before or trial.limits):
            self._offer(self._candidates, trial.own_score, trial.number)

    def _cost(self, row: CostRow) -> None:
        self._trial(row.trial).costs |= row.costs
        self.undecided = None

    def _end(self, row: EndRow) -> None:
        trial = self._trial(row.trial)
        if row.state not in ENDS:
            raise MisfitError(f"a trial does not end '{row.state[:20]}', but {', '.join(ENDS)}")
        self.ended -= trial.has_ended
        self.undecided = None
        trial.state, trial.reason = row.state, row.reason
        trial.is_dismissed = row.state == STOPPED and row.cause == USER
        self.ended += trial.has_ended
        if row.state == LOST:
            trial.lose(row.cause or MACHINE)

    def _offer(self, candidates: list[tuple[float, int]], score: float, number: int) -> None:
        heapq.heappush(candidates, (score, number))
        if len(candidates) > 2 * len(self.trials) + SPARE:
            self._candidates = self._all_candidates()

    def _all_candidates(self) -> list[tuple[float, int]]:
        scores = ((trial.own_score, trial.number) for trial in self.trials.values() if not trial.broken)
        found = [(score, number) for score, number in scores if score is not None]
        heapq.heapify(found)
        return found

    def best(self) -> Trial | None:
        """Returns the trial with the lowest score of the sweep's objective that keeps its limits, the one with the
        lowest number among equals; None if there is none."""
        if self._candidates is None:
            self._candidates = self._all_candidates()
        while self._candidates:
            score, number = self._candidates[0]
            if self.trials[number].own_score == score and not self.trials[number].broken:
                return self.trials[number]
            heapq.heappop(self._candidates)  # it has another score now, with which it was offered again
        return None


# By type, as trying one after the other takes longer than most records do.
_APPLY: dict[type[Row], Callable[[SweepState, Any], None]] = {
    SweepRow: SweepState._start,
    TrialRow: SweepState._born,
    AttemptRow: SweepState._attempt,
    EpochRow: SweepState._epoch,
    CostRow: SweepState._cost,
    ScoreRow: SweepState._score,
    EndRow: SweepState._end,
    CloseRow: SweepState._close,
    OpenRow: SweepState._open,
    ExtendRow: SweepState._extend,
    NoteRow: SweepState._note,
    SessionRow: SweepState._session,
}
# Both at once: it is half a microsecond less than to look twice.
_STEPS = {kind: (change, COUNTS.get(kind)) for kind, change in _APPLY.items()}
