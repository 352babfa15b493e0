"""Wall-clock and device time that a sweep has spent, computed record by record, and its split by what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..records import (
    LOST,
    STOPPED,
    USER,
    AttemptRow,
    CloseRow,
    EndRow,
    EpochRow,
    ExtendRow,
    OpenRow,
    Row,
    ScoreRow,
    SessionRow,
    SweepRow,
    TrialRow,
)
from .split import HOUR_MS, PARTS, PRUNED, USEFUL, WASTED, Split

GPU, CPU = "GPU", "CPU"
# What becomes of the device time of a trial, by its state; of all other states it is useful, as the trial may go on.
_PART_OF = {"pruned": PRUNED, "diverged": PRUNED, "failed": WASTED}


@dataclass(slots=True)
class _Account:
    """A trial. `epochs`, `seconds`: number and duration of the epochs of its ended attempts; `part`, `held`: one of
    PARTS, and the device-ms that count for it as long as the trial's state does not change."""

    epochs: int = 0
    seconds: float = 0.0
    part: str = USEFUL
    held: float = 0.0

    def pace(self, epochs: int = 0, seconds: float = 0.0) -> float:
        """Returns the mean duration of an epoch in s, with further ones; 0 before the first."""
        count = self.epochs + epochs
        return (self.seconds + seconds) / count if count else 0.0


@dataclass(slots=True)
class _Attempt:
    """A running attempt at the trial of `account`. `since`, `until`: in ms, between which its time is the trial's and
    not counted there yet: the end is that of its last record; `epochs`, `seconds`: number and duration of its epochs;
    `is_again`: the one before it was cut short; `is_cold`: it is the first one of its place in the session, whose
    process must start."""

    account: _Account
    since: int
    until: int
    is_again: bool
    is_cold: bool
    epochs: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Session:
    """A session of the launching process. `began`: in ms; `before`: device-ms of trials until then; `places`,
    `devices`: trials at a time (None: not on record) and devices of each; `attempts`: their number so far."""

    began: int
    before: float = 0.0
    places: int | None = None
    devices: float = 1.0
    attempts: int = 0
    running: dict[int, _Attempt] = field(default_factory=dict)


class Spend:
    """Time that a sweep has spent after a prefix of its records; `take` them in order, at a cost that does not depend
    on the number of trials and epochs. Times are those of the records. What a fork has inherited, whose records are
    older than its first one, costs nothing.

    `unit`: GPU or CPU, as the last session counted; `places`, `devices`: its trials at a time (None: not on record) and
    the devices of each; `gpu_hours`, `time_budget_s`: the limits in force (None: none); `epochs`: number of epochs on
    record; `sessions`: number of ended ones; `starts`, `start_ms`: attempts after the first
    of each place in a session that have an epoch, and their time before it began."""

    def __init__(self) -> None:
        self.unit, self.places, self.devices = GPU, None, 1.0  # type: str, int | None, float
        self.gpu_hours: float | None = None
        self.time_budget_s: float | None = None
        self.price: float | None = None
        self.epochs = self.sessions = self.starts = self.start_ms = 0
        self._pace_sum = 0.0  # of the trials' mean durations of an epoch, and the number of those trials, as far as
        self._paced = 0  # their attempts have ended
        self._workers = 1
        self._born = self._last = 0
        self._session: _Session | None = None
        self._wall, self._used = 0, 0.0  # ms, and device-ms of trials
        self._wall_before, self._used_before = 0, 0.0  # the same when the limits were last set
        self._idle: float | None = None
        self._sums = dict.fromkeys(PARTS, 0.0)
        self._accounts: dict[int, _Account] = {}
        self._cut: set[int] = set()  # trials whose last attempt was cut short

    def take(self, row: Row) -> None:
        """Counts the next record."""
        if (count := COUNTS.get(type(row))) is not None:
            count(self, row)

    def _touch(self, row: Row) -> bool:
        """Notes the time of a record as that of the session's last one; returns False if it is inherited."""
        if row.ts_ms < self._born:
            return False
        self._last = row.ts_ms
        return True

    @property
    def epoch_s(self) -> float:
        """Returns the seconds of an epoch, each trial's mean counted once, as long ones must not count less for the
        fewer epochs that they have so far; 0 before the first."""
        total, count = self._pace_sum, self._paced
        for attempt in self._running.values():
            if attempt.epochs:
                total += attempt.account.pace(attempt.epochs, attempt.seconds) - attempt.account.pace()
                count += not attempt.account.epochs
        return total / count if count else 0.0

    @property
    def _running(self) -> dict[int, _Attempt]:
        return {} if self._session is None else self._session.running

    def _account(self, number: int) -> _Account:
        return self._accounts.get(number) or self._accounts.setdefault(number, _Account())

    def _begin(self, row: SweepRow) -> None:
        plan = row.plan
        self._born = self._last = row.ts_ms
        self._session = _Session(row.ts_ms)
        self.time_budget_s, self.gpu_hours = plan.get("time_budget_s"), plan.get("gpu_hours")
        self.price = plan.get("price_per_gpu_hour")
        self._workers = plan.get("workers") or 1
        self.devices = self._session.devices = float(self._workers)

    def _open(self, row: OpenRow) -> None:
        self._end_session(self._last)
        self._touch(row)
        self._session = _Session(row.ts_ms, self._used, devices=float(self._workers))
        if row.time_budget_s is not None:
            self.time_budget_s, self._wall_before = row.time_budget_s, self._wall
        if row.gpu_hours is not None:
            self.gpu_hours, self._used_before = row.gpu_hours, self._used

    def _join(self, row: SessionRow) -> None:
        self.unit, self.places, self.devices = (GPU if row.gpus else CPU), row.places, row.gpus or float(self._workers)
        if self._session is not None:
            self._touch(row)
            for attempt in self._session.running.values():
                self._use(attempt.account, attempt.until - attempt.since)
                attempt.since = attempt.until
            self._session.places, self._session.devices = row.places, self.devices

    def _attempt(self, row: AttemptRow) -> None:
        if self._session is not None and self._touch(row):
            session = self._session
            if (before := session.running.get(row.trial)) is not None:
                self._settle(before)
            session.attempts += 1
            account, is_again = self._account(row.trial), row.trial in self._cut
            is_cold = session.attempts <= (session.places or 0)
            session.running[row.trial] = _Attempt(account, row.ts_ms, row.ts_ms, is_again, is_cold)
            self._cut.discard(row.trial)
            self._move(account, USEFUL)

    def _epoch(self, row: EpochRow) -> None:
        # Most records are of this kind, and a replay is to be quick: what it does to the trial waits for the attempt's
        # end.
        now, session = row.ts_ms, self._session
        self.epochs += 1
        attempt = None if session is None else session.running.get(row.trial)
        if attempt is None or now < self._born:
            self._pace(self._account(row.trial), 1, row.seconds)
            if session is not None:
                self._touch(row)
            return
        if not attempt.epochs:
            self._start(attempt, max(0, now - attempt.until - round(1000 * row.seconds)))
        attempt.epochs += 1
        attempt.seconds += row.seconds
        self._last = now
        if now > attempt.until:
            attempt.until = now

    def _start(self, attempt: _Attempt, before: int) -> None:
        """Counts the `before` ms of an attempt until its first epoch began."""
        if attempt.is_again:
            self._use(attempt.account, before, is_lost=True)
            attempt.since = attempt.until = attempt.until + before
        elif not attempt.is_cold:
            self.starts += 1
            self.start_ms += before

    def _end(self, row: EndRow) -> None:
        # Users may end a trial, and make remarks, when nobody runs the sweep: that is no time of its own.
        is_by_user = row.state == STOPPED and row.cause == USER
        if row.ts_ms < self._born:
            return
        attempt = self._running.pop(row.trial, None)
        if self._session is not None:
            if not is_by_user:
                self._touch(row)
            if attempt is not None:
                self._settle(attempt, None if is_by_user else row.ts_ms, is_lost=row.state == LOST)
        if row.state == LOST:
            self._cut.add(row.trial)
        self._move(self._account(row.trial), PRUNED if is_by_user else _PART_OF.get(row.state, USEFUL))

    def _grow(self, row: ExtendRow) -> None:
        for number in (*row.again, *row.waiting):
            self._move(self._account(number), USEFUL)

    def _close(self, row: CloseRow) -> None:
        self._last = max(self._last, row.ts_ms)
        self._end_session(row.ts_ms)

    def _end_session(self, ts_ms: int) -> None:
        session = self._session
        if session is None:
            return
        for number, attempt in session.running.items():
            self._settle(attempt, ts_ms, is_lost=True)
            self._cut.add(number)
        session.running.clear()
        self._wall += max(0, ts_ms - session.began)
        self._idle = self._idle_until(ts_ms)
        self.sessions += 1
        self._session = None

    def _settle(self, attempt: _Attempt, until: int | None = None, *, is_lost: bool = False) -> None:
        """Counts an attempt that is over, up to its last record, and from there to `until`, as its trial's or as
        lost."""
        self._use(attempt.account, attempt.until - attempt.since)
        if until is not None:
            self._use(attempt.account, until - attempt.until, is_lost=is_lost)
        if attempt.epochs:
            self._pace(attempt.account, attempt.epochs, attempt.seconds)

    def _use(self, account: _Account, ms: int, *, is_lost: bool = False) -> None:
        """Counts time of a trial as its own, or as lost."""
        if ms > 0 and self._session is not None:
            used = ms * self._session.devices
            self._used += used
            self._sums[WASTED if is_lost else account.part] += used
            if not is_lost:
                account.held += used

    def _pace(self, account: _Account, epochs: int, seconds: float) -> None:
        """Counts epochs of a trial and their duration in s."""
        self._paced += not account.epochs
        self._pace_sum -= account.pace()
        account.epochs += epochs
        account.seconds += seconds
        self._pace_sum += account.pace()

    def _move(self, account: _Account, part: str) -> None:
        if part != account.part:
            self._sums[account.part] -= account.held
            self._sums[part] += account.held
            account.part = part

    def _running_ms(self, now_ms: int) -> float:
        """Computes the device-ms of the running attempts that are not counted yet, up to the time `now_ms` or their
        last records."""
        session = self._session
        if session is None:
            return 0
        return sum(max(now_ms, attempt.until) - attempt.since for attempt in session.running.values()) * session.devices

    def _idle_until(self, now_ms: int) -> float | None:
        session = self._session
        if session is None or session.places is None:
            return self._idle
        whole = max(0, now_ms - session.began) * session.places * session.devices
        return (self._idle or 0) + max(0, whole - (self._used - session.before) - self._running_ms(now_ms))

    def wall_s(self, now_ms: int | None = None, *, under_limit: bool = False) -> float:
        """Computes the seconds that the sessions took, up to the time `now_ms` (None: the last record).
        `under_limit`: only those since the time limit in force was set."""
        now_ms = self._last if now_ms is None else now_ms
        session = 0 if self._session is None else max(0, now_ms - self._session.began)
        return (self._wall + session - (self._wall_before if under_limit else 0)) / 1000

    def used_hours(self, now_ms: int | None = None, *, under_limit: bool = False) -> float:
        """Computes the device-hours of trials up to the time `now_ms` (None: the last record). `under_limit`: only
        those since the limit in force was set."""
        running = self._running_ms(self._last if now_ms is None else now_ms)
        return (self._used + running - (self._used_before if under_limit else 0)) / HOUR_MS

    def split(self, now_ms: int | None = None) -> Split:
        """Splits the device time up to the time `now_ms` (None: the last record) by what came of it."""
        now_ms = self._last if now_ms is None else now_ms
        sums, idle = dict(self._sums), self._idle_until(now_ms)
        sums[USEFUL] += self._running_ms(now_ms)
        hours = {part: used / HOUR_MS for part, used in sums.items()}
        return Split(**hours, idle=None if idle is None else idle / HOUR_MS, unit=self.unit, price=self.price)


# By type, as in `SweepState`; a kind that costs no time is not here.
COUNTS: dict[type[Row], Callable[[Spend, Any], object]] = {
    SweepRow: Spend._begin,
    TrialRow: Spend._touch,
    AttemptRow: Spend._attempt,
    EpochRow: Spend._epoch,
    EndRow: Spend._end,
    CloseRow: Spend._close,
    OpenRow: Spend._open,
    SessionRow: Spend._join,
    ScoreRow: Spend._touch,
    ExtendRow: Spend._grow,
}
