"""The panel on a pseudo-terminal: what stands there with 200 trials over 4 running ones, and what tears it not."""

import os
import re
import sys
import time

import pytest

from search.terminal import screen as screens
from search.terminal.modes import LINES, LIVE, QUIET, has_colour, mode_of
from search.terminal.screen import Screen
from spaces import console
from tests.search.terminal.glass import terminal
from tests.search.terminal.reported import reported

EPOCHS = 500


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def panel_on(glass, width, *parts, seconds=20):
    """The panel that stands on a terminal, once it is whole, of this width, and has all of these parts."""
    deadline = time.monotonic() + seconds
    while True:
        lines = glass.lines()
        top = max((at for at, line in enumerate(lines) if line.startswith("╭")), default=len(lines))
        panel, last = lines[top:-1], lines[-1]
        is_whole = panel and panel[-1].startswith("╰") and {len(line) for line in panel} == {width} and not last
        if is_whole and all(part in "\n".join(panel) for part in parts):
            return panel
        assert time.monotonic() < deadline, "\n".join(lines[-20:])
        time.sleep(0.02)


@pytest.fixture
def live(monkeypatch):
    """Takes the pseudo-terminal for a terminal, as stdout of this process is that of pytest."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(screens, "SHARE", 1.0)  # a busy machine must not make the test wait


def test_the_panel_of_a_long_sweep_at_two_widths(tmp_path, live):
    with terminal(80, 30) as glass:
        with reported(tmp_path, LIVE) as sweep:
            sweep.run(EPOCHS)
            running = sweep.executor.running
            parts = [f"│ {number} " for number in running]
            narrow = panel_on(glass, 79, *parts)
            glass.resize(160, 30)
            wide = panel_on(glass, 159, *parts)
            state = sweep.journal.state
        until(lambda: "╭" not in "".join(glass.lines()))
        after = glass.lines()
    best, done = state.best(), state.ended
    paused = sum(trial.state == "paused" for trial in state.trials.values())
    for panel in (narrow, wide):
        text = "\n".join(panel)
        assert f"{done} of 200 done, 4 running, {paused} paused, {200 - done - 4 - paused} left" in text
        assert f"val/mpjpe_mm {best.own_score:.2f}, trial {best.number}, epoch " in text
        assert re.search(r"time   \d+:\d\d spent, about \d+[hm]", text)
        assert re.search(r"spend  [\d.]+ of about [\d.]+ GPU-hours, cost [\d.]+", text)
        rows = [line for line in panel if re.match(r"│ \d+ +[━─]", line)]
        assert sorted(int(line.split()[1]) for line in rows) == sorted(running)
        for line in rows:
            trial = state.trials[int(line.split()[1])]
            assert f" {trial.last_epoch}/27 " in line
            assert re.search(r"before 2|past \d+(, next \d+)?", line)
            assert trial.own_score is None or f"{trial.own_score:.2f}" in line
    assert len(narrow) == 12
    assert "lr=" in "\n".join(wide)
    # It is gone in the end, and nothing of it is left between the events.
    assert not any(mark in line for line in after for mark in "╭│╰")
    assert sum(" starts: " in line for line in after) == len(state.trials)
    assert all(len(line) <= 160 for line in after)


def test_output_of_others_becomes_lines_above_the_panel(tmp_path, live):
    with terminal() as glass:
        with reported(tmp_path, LIVE, trials=4) as sweep:
            sweep.run(6)
            os.write(2, b"\x1b[31m(raylet) warning\x1b[0m\n")
            os.system("echo from a child")
            os.write(1, b"10%\r 50%\r100%\n no end of line")
            until(lambda: "100%" in glass.lines())
            assert len(panel_on(glass, 79)) > 8
        until(lambda: " no end of line" in glass.lines())
        after = glass.lines()
    assert {"(raylet) warning", "from a child", "100%", " no end of line"} <= set(after)
    assert not any("│" in line for line in after)


def test_the_terminal_is_given_back_after_an_error(tmp_path, live):
    with terminal() as glass:

        def interrupted():
            with reported(tmp_path, LIVE, trials=4) as sweep:
                sweep.run(6)
                until(lambda: "╰" in "".join(glass.lines()))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        os.write(1, b"interrupted\n")
        until(lambda: "interrupted" in glass.lines())
        assert os.isatty(1)
        assert os.isatty(2)
        assert glass.lines()[-2:] == ["interrupted", ""]
    codes = set(re.findall(r"\x1b\[\??[\d;]*[A-Za-z]", glass.text))
    assert {code[-1] for code in codes} <= set("AJm"), "no mode of the terminal is changed, nor its cursor hidden"


def test_frames_are_few_and_none_comes_without_a_change_but_each_second(live, monkeypatch):
    drawn = []
    monkeypatch.setattr(screens, "FASTEST_S", 0.1)
    monkeypatch.setattr(screens, "CLOCK_S", 0.4)

    class Counting(Screen):
        def _prepare(self):
            self._painter = lambda status, width, height: drawn.append(time.monotonic()) or ["frame"]

    with terminal(), Counting(LIVE) as screen:
        screen.follow(lambda: None)
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            screen.change()
            time.sleep(0.001)
        busy, still = len(drawn), len(drawn)
        assert 2 <= busy <= 11
        time.sleep(1.0)
        still = len(drawn) - busy
        assert still <= 3


def test_a_frame_that_wraps_in_a_narrower_terminal_is_removed_whole(live):
    class Fixed(Screen):
        def _prepare(self):
            self._painter = lambda status, width, height: ["=" * width] * 3

    with terminal(80, 30) as glass, Fixed(LIVE) as screen:
        screen.follow(lambda: None)
        with screen.step("starting Ray"):
            until(lambda: "starting Ray" in glass.text)
            glass.resize(40, 30)
            screen.change()
            # Three lines of 79 cells have become six; that of the spinner is as it was.
            until(lambda: "\x1b[7A" in glass.text)
        until(lambda: "\x1b[4A" in glass.text)


@pytest.mark.parametrize("is_long", [False, True])
def test_what_goes_on_behind_the_last_words_is_one_line_while_it_lasts(live, monkeypatch, is_long):
    monkeypatch.setattr(screens, "BEHIND_S", 0.05 if is_long else 60.0)
    with terminal() as glass:
        with Screen(LIVE) as screen:
            pass
        os.write(1, b"best: trial 0\n")
        with screen.behind("closing Ray"):
            if is_long:
                until(lambda: re.search(r"closing Ray  \d+ s", "".join(glass.lines())))
        os.write(1, b"$ ")
        until(lambda: glass.lines()[-1] == "$ ")
        assert glass.lines() == ["best: trial 0", "$ "], "nothing of it is left"
        assert ("closing Ray" in glass.text) == is_long


def test_a_terminal_that_takes_nothing_delays_nobody(live, monkeypatch):
    monkeypatch.setattr(screens, "CLOSE_S", 0.1)
    write, stuck = os.write, []

    def hold(descriptor, content):
        while not stuck:
            time.sleep(0.01)
        return write(descriptor, content)

    with terminal():
        monkeypatch.setattr(screens.os, "write", hold)
        began = time.monotonic()
        with Screen(LIVE) as screen:
            thread = screen._thread
            for number in range(20_000):
                screen.tell(f"line {number}")
        assert time.monotonic() - began < 10
        stuck.append(True)
        thread.join(10)


def test_a_panel_that_cannot_be_drawn_leaves_the_lines(live):
    class Broken(Screen):
        def _prepare(self):
            self._painter = lambda status, width, height: 1 / 0

    with terminal() as glass:
        with Broken(LIVE) as screen:
            screen.follow(lambda: None)
            until(lambda: "not shown" in "".join(glass.lines()))
            screen.tell("the sweep goes on")
        until(lambda: "the sweep goes on" in glass.lines())
        assert "the panel is not shown any more: ZeroDivisionError: division by zero" in glass.lines()


@pytest.mark.parametrize(
    ("wanted", "is_terminal", "term", "found"),
    [
        (None, True, "xterm", LIVE),
        (None, True, "dumb", LINES),
        (None, False, "xterm", LINES),
        (LIVE, False, "xterm", LINES),
        (LINES, True, "xterm", LINES),
        (QUIET, True, "xterm", QUIET),
    ],
)
def test_the_default_is_live_where_lines_can_be_overwritten(monkeypatch, wanted, is_terminal, term, found):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setenv("TERM", term)
    assert mode_of(wanted) == found


def test_colours_are_left_out_where_the_user_says_so(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(console.sys, "stdout", None)
    monkeypatch.setattr(console.sys, "stderr", None)
    console.settle_console()
    assert os.environ["NO_COLOR"], "libraries print none"
    assert has_colour()
    monkeypatch.setenv("NO_COLOR", "1")
    console.settle_console()
    assert not has_colour()
