"""Panel of a running sweep, drawn with rich: how far it is, the best trial, time and spend, and what runs."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.box import ASCII, ROUNDED
from rich.color import ColorSystem
from rich.console import Console, OverflowMethod
from rich.text import Text

from ..record.durations import clock_text, rough_text
from .status import RunningTrial, Status

NARROW = 60  # columns below which trials have no bars
WIDE = 110  # from which on facts stand in two columns
BAR, TRIAL_BAR = 40, 30  # cells of the bars, at most
LEAST_KNOBS = 24  # cells that a trial's knobs must have
LEAST = 20  # cells inside of a panel that is worth drawing
FRAME = 4  # cells of the frame's sides and the blanks beside them
FACTS = ("best", "time", "spend")
BARS, PLAIN_BARS = ("━", "╍", "─"), ("=", "~", "-")  # done, paused, left
# Of the 16 colours that every theme chooses for its own background; the plain text has none.
GOOD, BAD, WAITS, MUTED, LABEL, EDGE = "green", "red", "yellow", "dim", "dim", "cyan"


class Painter:
    """Draws panels for a terminal of an encoding, e.g. 'utf-8'; where that is no UTF, in ASCII."""

    def __init__(self, encoding: str, *, has_colour: bool) -> None:
        is_utf = encoding.lower().startswith("utf")
        self._has_colour = has_colour
        self._full, self._half, self._empty = BARS if is_utf else PLAIN_BARS
        self._box = ROUNDED if is_utf else ASCII
        self._overflow: OverflowMethod = "ellipsis" if is_utf else "crop"
        self._last: dict[tuple[object, ...], str] = {}  # converted texts of the last frame, and of this one
        self._new: dict[tuple[object, ...], str] = {}
        self._console = Console(file=io.StringIO(), force_terminal=True, color_system=None)  # resolves styles

    def lines(self, status: Status, width: int, height: int) -> list[str]:
        """Draws a panel as lines of exactly `width` cells, with the terminal's codes for colours, and no more of them
        than `height`: running trials that have no room are counted. [] where not even the figures have any."""
        self._last, self._new = self._new, {}
        inside = width - FRAME
        facts = list(self._facts(status, inside))
        room = height - 2 - len(facts)
        if inside < LEAST or room < 0:
            return []
        box = self._box
        title = Text.assemble((f" {status.name} ", f"bold {EDGE}"), (f"{status.about} ", f"{MUTED} {EDGE}"))
        title.truncate(inside, overflow=self._overflow)
        rest = box.top * (inside + 1 - title.cell_len) + box.top_right
        top = Text.assemble((box.top_left + box.top, EDGE), title, (rest, EDGE))
        bottom = Text.assemble((box.bottom_left + box.bottom * (inside + 2) + box.bottom_right, EDGE))
        left, right = (self._coded(Text.assemble((side, EDGE))) for side in (f"{box.mid_left} ", f" {box.mid_right}"))
        body = []
        for text in (*facts, *self._running(status, inside, room)):
            # Not by rich's own Panel, which measures and wraps all lines: that takes three times as long.
            text.truncate(inside, overflow=self._overflow, pad=True)
            body.append(f"{left}{self._coded(text)}{right}")
        return [self._coded(top), *body, self._coded(bottom)]

    def _coded(self, text: Text) -> str:
        """Converts a text to what a terminal is sent; one of the last frame is converted already."""
        key = (text.plain, *text.spans)
        if (known := self._last.get(key)) is None:
            known = self._converted(text)
        self._new[key] = known
        return known

    def _converted(self, text: Text) -> str:
        text.end = ""
        parts = []
        for part in text.render(self._console):
            style = part.style if part.style is None or self._has_colour else part.style.without_color
            parts.append(style.render(part.text, color_system=ColorSystem.STANDARD) if style else part.text)
        return "".join(parts)

    def _counts(self, status: Status, width: int) -> Text:
        """Draws how far a sweep is."""
        counts = f"{status.done} of {status.trials} done, {len(status.running)} running"
        counts += f", {status.paused} paused" if status.paused else ""
        counts += f", {status.left} left"
        failed = f", {status.failed} failed" if status.failed else ""
        bar = min(BAR, width - len(counts) - len(failed) - 2)
        line = Text.assemble(*self._bar(status.done, status.trials, bar, status.paused), "  ") if bar >= 8 else Text()
        return line.append(counts, "bold").append(failed, BAD)

    def _epochs(self, status: Status, width: int) -> Text:
        """Draws how far a single run is, and the objective in its last epoch."""
        (run,) = status.running
        epochs = f"epoch {run.epoch} of {run.epochs}"
        last = "" if run.last is None else f", {status.objective} {_value(run.last)}"
        bar = min(BAR, width - len(epochs) - len(last) - 2)
        line = Text.assemble(*self._bar(run.epoch, run.epochs, bar), "  ") if bar >= 8 else Text()
        return line.append(epochs, "bold").append(last)

    def _facts(self, status: Status, width: int) -> Iterable[Text]:
        yield (self._epochs if status.is_single else self._counts)(status, width)
        best = status.best
        found = Text("no score yet", MUTED)
        if best is not None:
            found = Text.assemble(
                (f"{status.objective} {best.score:.2f}", f"bold {GOOD}"),
                "" if status.is_single else f", trial {best.number}",
                f", epoch {best.epoch} of {best.epochs}",
            )
        time = Text(f"{clock_text(status.spent_s)} spent")
        if status.done < status.trials:
            time.append(
                ", left: not known yet" if status.left_s is None else f", about {rough_text(status.left_s)} left"
            )
        facts = [
            Text.assemble((f"{name:<7}", LABEL), fact)
            for name, fact in zip(FACTS, (found, time, Text(status.spend)), strict=True)
            if fact
        ]
        if width < WIDE:
            yield from facts
            return
        half = width // 2
        for at in range(0, len(facts), 2):
            first, *second = facts[at : at + 2]
            first.truncate(half - 2)
            first.pad_right(half - len(first))
            yield Text.assemble(first, *second)

    def _running(self, status: Status, width: int, room: int) -> Iterable[Text]:
        """Draws a line per running trial below their header, in `room` lines."""
        trials = status.running
        if not trials or room < 3 or status.is_single:
            return
        shown = trials if len(trials) <= room - 2 else trials[: room - 3]
        metric = max(12, min(len(status.objective), 24))
        rungs = max([0, *(len(rung_text(trial)) for trial in shown)])
        # Number, epochs, value and score with the blanks between them.
        fixed = 7 + 11 + metric + 1 + 10 + (rungs + 2 if rungs else 0)
        bar = min(TRIAL_BAR, width - fixed - 2) if width >= NARROW else 0
        bar = bar if bar >= 5 else 0
        yield Text("")
        head = f"{'trial':<7}{'epoch':<{11 + (bar + 2 if bar else 0)}}{status.objective:>{metric}}{'best':>11}"
        room_for_knobs = width - fixed - bar - 4 if bar else 0
        has_knobs = room_for_knobs >= LEAST_KNOBS and any(trial.knobs for trial in shown)
        head += f"  {'rung':<{rungs}}" if rungs else ""
        yield Text(head + ("  knobs" if has_knobs else ""), LABEL)
        for trial in shown:
            line = Text(f"{trial.number:<7}")
            if bar:
                line.append_text(Text.assemble(*self._bar(trial.epoch, trial.epochs, bar), "  "))
            line.append(f"{trial.epoch}/{trial.epochs}".ljust(11))
            line.append(f"{_value(trial.last) or 'starts':>{metric}}", "" if trial.last is not None else MUTED)
            is_best = status.best is not None and status.best.number == trial.number
            line.append(f"{_value(trial.score):>11}", f"bold {GOOD}" if is_best else "")
            line.append(f"  {rung_text(trial):<{rungs}}" if rungs else "")
            yield line.append(f"  {trial.knobs}" if has_knobs else "")
        if len(shown) < len(trials):
            yield Text(f"and {len(trials) - len(shown)} more", MUTED)

    def _bar(self, done: int, count: int, cells: int, paused: int = 0) -> list[tuple[str, str]]:
        """Draws `done` of `count`, and how many of the rest are paused."""
        full, part = (min(cells, cells * some // max(count, 1)) for some in (done, done + paused))
        empty = (self._empty * (cells - part), MUTED)
        return [(self._full * full, GOOD), (self._half * (part - full), WAITS), empty]


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def rung_text(trial: RunningTrial) -> str:
    """Formats where a trial stands among its rungs: 'before 1', 'past 3, next 9', 'past 9'; '' without rungs."""
    past = [rung for rung in trial.rungs if rung <= trial.epoch]
    ahead = [rung for rung in trial.rungs if rung > trial.epoch]
    if not past:
        return f"before {ahead[0]}" if ahead else ""
    return f"past {past[-1]}" + (f", next {ahead[0]}" if ahead else "")
