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

GPU, CPU = "GPU", "CPU"
PARTS = USEFUL, PRUNED, WASTED = "useful", "pruned", "lost"
# What becomes of the device time of a trial, by its state; of all other states it is useful, as the trial may go on.
_PART_OF = {"pruned": PRUNED, "diverged": PRUNED, "failed": WASTED}
HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Device time of a sweep in hours. `useful`: of trials that finished or may go on; `pruned`: of those that were
    ended early; `lost`: of attempts that the machine cut short, after their last epoch on record, of what was trained
    again, and of failed trials; `idle`: of places without a trial (None: not on record). `unit`: GPU, or CPU where a
    worker counts as one device; `price`: of one hour, None if it is not known."""

    useful: float
    pruned: float
    lost: float
    idle: float | None
    unit: str
    price: float | None

    @property
    def used(self) -> float:
        """Returns the device-hours of trials, without those of idle places."""
        return self.useful + self.pruned + self.lost

    def to_json(self) -> dict[str, Any]:
        """Converts the split to a JSON object, with the cost of the used and the idle hours if there is a price."""
        hours = {"used": self.used, **{name: getattr(self, name) for name in (*PARTS, "idle")}}
        found: dict[str, Any] = {"unit": f"{self.unit}-hours"}
        found |= {name: None if value is None else round(value, 6) for name, value in hours.items()}
        if self.price is not None:
            found["cost"] = round(self.used * self.price, 6)
            found["idle_cost"] = None if self.idle is None else round(self.idle * self.price, 6)
        return found

    def __str__(self) -> str:
        parts = ", ".join(f"{getattr(self, name) / self.used if self.used else 0:.0%} {name}" for name in PARTS)
        text = f"spent: {amount_text(self.used)} {self.unit}-hours ({parts})"
        text += "" if self.idle is None else f", {amount_text(self.idle)} idle"
        if self.price is not None:
            text += f"; cost at {self.price:g} an hour: {amount_text(self.used * self.price)}"
            text += "" if self.idle is None else f", idle {amount_text(self.idle * self.price)}"
        return text


@dataclass(slots=True)
class _Attempt:
    """A running attempt. `until`: time of its last record in ms; `is_again`: the one before it was cut short;
    `is_cold`: it is the first one of its place in the session, whose process must start."""

    until: int
    is_again: bool
    is_cold: bool
    is_new: bool = True


@dataclass(slots=True)
class _Account:
    """A trial. `epochs`, `epoch_s`: number of epochs, and their mean duration in s; `part`, `held`: one of PARTS, and
    the device-ms that count for it as long as the trial's state does not change."""

    epochs: int = 0
    epoch_s: float = 0.0
    part: str = USEFUL
    held: float = 0.0


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
        self._epoch_sum = 0.0  # of the trials' mean durations of an epoch, and the number of those trials
        self._paced = 0
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
        return self._epoch_sum / self._paced if self._paced else 0.0

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
            self._session.places, self._session.devices = row.places, self.devices

    def _attempt(self, row: AttemptRow) -> None:
        if self._session is not None and self._touch(row):
            session = self._session
            session.attempts += 1
            is_cold = session.attempts <= (session.places or 0)
            session.running[row.trial] = _Attempt(row.ts_ms, is_again=row.trial in self._cut, is_cold=is_cold)
            self._cut.discard(row.trial)
            self._move(row.trial, USEFUL)

    def _epoch(self, row: EpochRow) -> None:
        # Most records are of this kind, and a replay is to be quick: what `_account` and `_add` do is written out.
        now, session = row.ts_ms, self._session
        account = self._accounts.get(row.trial) or self._account(row.trial)
        self.epochs += 1
        account.epochs = count = account.epochs + 1
        if count == 1:
            self._paced += 1
        change = (row.seconds - account.epoch_s) / count
        account.epoch_s += change
        self._epoch_sum += change
        if session is None or now < self._born:
            return
        self._last = now
        attempt = session.running.get(row.trial)
        if attempt is None:
            return
        if attempt.is_new:
            self._start(account, attempt, max(0, now - attempt.until - round(1000 * row.seconds)))
        if now > attempt.until:
            used = (now - attempt.until) * session.devices
            attempt.until = now
            self._used += used
            self._sums[account.part] += used
            account.held += used

    def _start(self, account: _Account, attempt: _Attempt, before: int) -> None:
        """Counts the `before` ms of an attempt until its first epoch began."""
        attempt.is_new = False
        if attempt.is_again:
            self._add(account, attempt, attempt.until + before, is_lost=True)
        elif not attempt.is_cold:
            self.starts += 1
            self.start_ms += before

    def _end(self, row: EndRow) -> None:
        # Users may end a trial, and make remarks, when nobody runs the sweep: that is no time of its own.
        is_by_user = row.state == STOPPED and row.cause == USER
        if row.ts_ms < self._born:
            return
        attempt = None if self._session is None else self._session.running.pop(row.trial, None)
        if not is_by_user and self._session is not None:
            self._touch(row)
            if attempt is not None:
                self._add(self._account(row.trial), attempt, row.ts_ms, is_lost=row.state == LOST)
        if row.state == LOST:
            self._cut.add(row.trial)
        self._move(row.trial, PRUNED if is_by_user else _PART_OF.get(row.state, USEFUL))

    def _grow(self, row: ExtendRow) -> None:
        for number in (*row.again, *row.waiting):
            self._move(number, USEFUL)

    def _close(self, row: CloseRow) -> None:
        self._last = max(self._last, row.ts_ms)
        self._end_session(row.ts_ms)

    def _end_session(self, ts_ms: int) -> None:
        session = self._session
        if session is None:
            return
        for number, attempt in session.running.items():
            self._add(self._account(number), attempt, ts_ms, is_lost=True)
            self._cut.add(number)
        self._wall += max(0, ts_ms - session.began)
        self._idle = self._idle_until(ts_ms)
        self.sessions += 1
        self._session = None

    def _add(self, account: _Account, attempt: _Attempt, until: int, *, is_lost: bool = False) -> None:
        """Counts the time of an attempt up to `until`, as its trial's or as lost."""
        if until <= attempt.until or self._session is None:
            return
        used = (until - attempt.until) * self._session.devices
        attempt.until = until
        self._used += used
        self._sums[WASTED if is_lost else account.part] += used
        if not is_lost:
            account.held += used

    def _move(self, number: int, part: str) -> None:
        account = self._account(number)
        self._sums[account.part] -= account.held
        self._sums[part] += account.held
        account.part = part

    def _running_ms(self, now_ms: int) -> float:
        """Computes the device-ms of the running attempts after their last records."""
        session = self._session
        if session is None:
            return 0
        since = sum(max(0, now_ms - attempt.until) for attempt in session.running.values())
        return since * session.devices

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


# By type, as trying one after the other would take longer than most records do.
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


def amount_text(amount: float) -> str:
    """Formats hours, or their cost, with three digits: '0.0123', '12.3', '1234'; fewer below 0.001: '0.00046'."""
    if 0 < amount < 0.001:
        return f"{amount:.5f}".rstrip("0").rstrip(".")
    return f"{amount:.3g}" if amount < 1000 else f"{amount:.0f}"
