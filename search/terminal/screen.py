"""Writer of what a running sweep shows: lines, and on a terminal a spinner or a panel below them."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from spaces.errors import one_line
from spaces.loading import named

from .modes import LINES, LIVE, QUIET, has_colour, mode_of
from .status import Status
from .streams import SEQUENCE, Capture

FASTEST_S, SLOWEST_S = 0.25, 2.0  # between two frames
SHARE = 0.001  # of one processor that frames may take, at most
CLOCK_S = 1.0  # between two frames of a panel in which nothing changes but the time
SOON_S = 1.0  # after which a step is worth a line in a pipe
LONG_S = 3.0  # from which on the time that it took is
BEHIND_S = 2.0  # after which one that goes on below the last words is shown
MOST_LINES = 10_000  # that wait for a terminal that takes none
CLOSE_S = 5.0
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_SPINNER = "|/-\\"


@dataclass(slots=True)
class Step:
    """Something that takes a while. `since`: monotonic seconds; `is_told`: it has its line; `is_void`: it did not come
    to its end, so that its time is of no interest."""

    what: str
    since: float
    is_told: bool = False
    is_void: bool = False

    @property
    def long_s(self) -> float:
        """Returns the seconds that it has taken so far, 0 for fewer than LONG_S."""
        took = time.monotonic() - self.since
        return 0.0 if self.is_void or took < LONG_S else took


class Screen:
    """Shows a running sweep in one of three modes: LIVE redraws a spinner, or the panel of `follow`, below the lines;
    LINES prints lines alone, QUIET nothing. A thread of its own writes, so that a terminal or a pipe that takes nothing
    delays nobody. Use it in a `with` block; at its end the terminal is as it was, and all lines are written. `spent_s`:
    processor time in seconds that its `frames` have taken so far.

    `stamp`: returns what stands before a line of the screen's own. Frames come FASTEST_S apart, or up to
    SLOWEST_S where they would take more than SHARE of a processor, and only if something has changed; the time is
    redrawn every CLOCK_S seconds."""

    def __init__(self, mode: str, stamp: Callable[[], str] = str) -> None:
        self.mode = mode
        self._stamp = stamp
        self._lines: deque[tuple[str, bool]] = deque(maxlen=MOST_LINES)  # and whether one may be cut
        self._steps: list[Step] = []
        self._status_of: Callable[[], Status] | None = None
        self._is_changed = False  # no Event: to wake a thread costs the driver more than all else here
        self._over = threading.Event()
        self._capture: Capture | None = None
        self._thread: threading.Thread | None = None
        self._frame: list[int] = []  # cells of each line of the frame on the terminal
        self._beats = itertools.count()
        self.spent_s, self.frames = 0.0, 0
        self._painter: Callable[[Status, int, int], list[str]] | None = None

    def __enter__(self) -> Self:
        if self.mode != QUIET:
            if self.mode == LIVE:
                self._encoding = sys.stdout.encoding or "ascii"
                self._is_utf = self._encoding.lower().startswith("utf")
                self._capture = Capture(self.tell)
            self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, line: str, *, is_cut: bool = False) -> None:
        """Shows a line, above what is redrawn; returns at once. `is_cut`: beside a panel it is cut where the terminal
        ends, as the log has all of it. After `close` it is printed."""
        if self.mode == QUIET:
            return
        if self._over.is_set():
            with suppress(OSError, ValueError):  # stdout is closed or broken, and the sweep ends in order
                print(line, flush=True)
            return
        self._lines.append((line, is_cut))
        self._is_changed = True

    def follow(self, status_of: Callable[[], Status]) -> None:
        """Shows the panel of a running sweep from now on. `status_of`: returns its present figures; it is called in
        another thread."""
        self._status_of = status_of
        self._is_changed = True

    def change(self) -> None:
        """Has the panel redrawn, as its figures have changed; returns at once."""
        if self.mode == LIVE:
            self._is_changed = True

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Shows that something goes on while the block runs: a spinner with the time on a terminal; in a pipe a line
        once it has taken SOON_S, and its time if that was long. `what`: as 'starting Ray'."""
        step = Step(what, time.monotonic())
        self._steps.append(step)
        self._is_changed = True
        try:
            yield step
        finally:
            self._steps.remove(step)
            if took := step.long_s:
                self.tell(f"{self._stamp()}{what}: took {took:.0f} s")
            self._is_changed = True

    @contextmanager
    def behind(self, what: str) -> Iterator[Step]:
        """Shows, after `close`, that something goes on while the block runs, once it has taken BEHIND_S seconds: a
        spinner with the time, of which nothing is left, or a line in a pipe."""
        step, over = Step(what, time.monotonic()), threading.Event()

        def show() -> None:
            if not over.wait(BEHIND_S):
                with (
                    suppress(OSError, ValueError),
                    Screen(self.mode, self._stamp) as screen,
                    screen.step(what) as shown,
                ):
                    shown.since, shown.is_void = step.since, True
                    over.wait()

        thread = threading.Thread(target=show, name="behind", daemon=True)
        thread.start()
        try:
            yield step
        finally:
            over.set()
            thread.join(CLOSE_S)

    def close(self) -> None:
        """Writes the lines that wait, removes the panel, and gives the terminal back; waits at most CLOSE_S seconds for
        it. Does nothing the second time."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.restore()
        self._over.set()
        self._is_changed = True
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            self._thread = None

    def _run(self) -> None:
        terminal = -1 if self._capture is None else self._capture.terminal
        due = clock = 0.0
        is_last = False
        while not is_last:
            is_last = self._over.wait(FASTEST_S)
            now = time.monotonic()
            is_wanted = self._is_changed or now >= clock or (self._steps and self._status_of is None)
            if not is_last and not (now >= due and is_wanted):
                continue
            self._is_changed = False
            self._prepare()
            began = time.thread_time()
            try:
                self._draw(terminal, is_last=is_last)
            except Exception:  # the terminal is gone, stdout is closed, and the sweep goes on
                self._lines.clear()
            spent = time.thread_time() - began
            self.spent_s += spent
            self.frames += 1
            due, clock = now + min(max(FASTEST_S, spent / SHARE), SLOWEST_S), now + CLOCK_S
        if self.mode == LIVE:
            os.close(terminal)

    def _prepare(self) -> None:
        """Imports what draws the panel, once it is wanted: rich takes a tenth of a second."""
        if self._status_of is not None and self._painter is None and self.mode == LIVE:
            self._painter = named("search.terminal.panel:Painter")(self._encoding, has_colour=has_colour()).lines

    def _draw(self, terminal: int, *, is_last: bool) -> None:
        told = [self._lines.popleft() for _ in range(len(self._lines))]
        if self.mode == LINES:
            lines = [line for line, _ in told] + self._new_steps()
            if lines:
                sys.stdout.write("".join(f"{line}\n" for line in lines))
                sys.stdout.flush()
            return
        width, height = _size(terminal)
        lines = [self._cut(line, width) if is_cut else line for line, is_cut in told]
        frame = [] if is_last else self._painted(width, height)
        if not (lines or frame or self._frame):
            return
        above = sum(max(1, -(-cells // width)) for cells in self._frame)  # they wrap where it has become narrower
        text = f"\x1b[{above}A\r\x1b[J" if above else ""
        text += "".join(f"{line}\n" for line in (*lines, *frame))
        self._frame = [min(width - 1, len(SEQUENCE.sub("", line))) for line in frame]
        rest = text.encode(self._encoding, "replace")
        while rest:
            rest = rest[os.write(terminal, rest) :]

    def _cut(self, line: str, width: int) -> str:
        mark = "…" if self._is_utf else "..."
        return line if len(line) < width else line[: max(0, width - 1 - len(mark))] + mark

    def _new_steps(self) -> list[str]:
        now = time.monotonic()
        found = [step for step in self._steps if not step.is_told and now - step.since >= SOON_S]
        for step in found:
            step.is_told = True
        return [f"{self._stamp()}{step.what} ..." for step in found]

    def _painted(self, width: int, height: int) -> list[str]:
        """Draws the panel and, below it, what goes on; no more than fits."""
        below = self._spinner(width)
        if self._status_of is None or self._painter is None:
            return below
        try:
            return [*self._painter(self._status_of(), width - 1, height - 1 - len(below)), *below]
        except Exception as error:  # whatever it is, the lines go on
            self._status_of = None
            self.tell(f"the panel is not shown any more: {one_line(error)}")
            return below

    def _spinner(self, width: int) -> list[str]:
        if not self._steps:
            return []
        step, beats = self._steps[-1], SPINNER if self._is_utf else PLAIN_SPINNER
        text = f"{beats[next(self._beats) % len(beats)]} {step.what}  {time.monotonic() - step.since:.0f} s"
        return [text[: width - 1]]


@contextmanager
def loading(request: Any) -> Iterator[None]:
    """Shows, as the request of a sweep has its `progress`, that the libraries are imported within the block."""
    with Screen(mode_of(request.progress)) as screen, screen.step("loading torch, Ray, Optuna and MLflow"):
        yield


def _size(terminal: int) -> tuple[int, int]:
    """Returns columns and lines of a terminal; 80 x 24 where it does not say."""
    try:
        columns, lines = os.get_terminal_size(terminal)
    except OSError:
        columns = lines = 0
    return columns or 80, lines or 24
