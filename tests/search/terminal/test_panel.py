"""The panel as text: widths, heights, encodings and colours."""

import re

import pytest

from search.terminal.panel import Painter, rung_text
from search.terminal.status import Best, RunningTrial, Status

CODE = re.compile(r"\x1b\[[\d;]*m")


def running(number, epoch=12, score=50.0, knobs="lr=0.002, else as trial 3"):
    return RunningTrial(number, epoch, 27, None if not epoch else score + 1, score if epoch else None, (1, 3, 9), knobs)


def status(count=4, **changes):
    usual = {
        "name": "first",
        "about": "graformer on synthetic, recipe small",
        "objective": "val/mpjpe_mm",
        "trials": 200,
        "done": 83,
        "failed": 2,
        "paused": 60,
        "running": tuple(running(number) for number in range(144, 144 + count)),
        "best": Best(57, 48.31, 11, 27),
        "spent_s": 4321.0,
        "left_s": 7400.0,
        "spend": "4.8 of about 12.4 GPU-hours",
    }
    return Status(**{**usual, **changes})


def plain(lines):
    return [CODE.sub("", line) for line in lines]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [24, 40, 60, 79, 109, 159, 250])
def test_every_line_has_the_width_and_the_encoding(encoding, width):
    made = status(name="a" * 90, objective="val/" + "m" * 60, running=(running(1), running(20_000, 0), running(3, 27)))
    lines = plain(Painter(encoding, has_colour=True).lines(made, width, 40))
    assert {len(line) for line in lines} == {width}
    assert "".join(lines).encode(encoding)


@pytest.mark.parametrize("height", range(16))
def test_no_more_lines_than_there_is_room(height):
    lines = plain(Painter("utf-8", has_colour=True).lines(status(9), 79, height))
    assert len(lines) <= height
    shown = [line for line in lines if re.match(r"│ 1\d\d ", line)]
    hidden = [int(found[1]) for line in lines if (found := re.search(r"and (\d+) more", line))]
    if hidden:
        assert len(shown) + hidden[0] == 9
    if height >= 6:
        assert "83 of 200 done, 9 running, 60 paused, 48 left, 2 failed" in lines[1]


def test_without_colours_the_text_and_what_is_bold_stay():
    coloured, bare = (Painter("utf-8", has_colour=has).lines(status(), 79, 30) for has in (True, False))
    assert plain(coloured) == plain(bare)
    colours = re.compile(r"\x1b\[(?:[\d;]*;)?[39]\d")
    assert any(colours.search(line) for line in coloured)
    assert not any(colours.search(line) for line in bare)
    assert any("\x1b[1m" in line for line in bare)


def test_a_frame_that_has_not_changed_is_drawn_from_what_is_known(monkeypatch):
    painter, converted = Painter("utf-8", has_colour=True), []
    convert = painter._converted
    monkeypatch.setattr(painter, "_converted", lambda text: converted.append(text.plain) or convert(text))
    first = painter.lines(status(), 79, 30)
    converted.clear()
    assert painter.lines(status(), 79, 30) == first
    assert converted == []
    painter.lines(status(spent_s=4322.0), 79, 30)
    assert [text.split()[0] for text in converted] == ["time"]


def test_what_is_not_known_is_said():
    text = "\n".join(plain(Painter("utf-8", has_colour=True).lines(status(best=None, left_s=None), 79, 30)))
    assert "no score yet" in text
    assert "1:12:01 spent, left: not known yet" in text
    over = "\n".join(plain(Painter("utf-8", has_colour=True).lines(status(0, done=200, paused=0), 79, 30)))
    assert "1:12:01 spent  " in over


@pytest.mark.parametrize(
    ("epoch", "rungs", "text"),
    [
        (0, (1, 3), "before 1"),
        (2, (1, 3), "past 1, next 3"),
        (3, (1, 3), "past 3"),
        (5, (), ""),
    ],
)
def test_a_trial_stands_between_its_rungs(epoch, rungs, text):
    assert rung_text(running(1, epoch)._replace(rungs=rungs)) == text


@pytest.mark.parametrize("width", [24, 60, 79, 250])
def test_the_panel_of_a_single_run_has_its_epochs_in_one_line(width):
    run = {"trials": 1, "done": 0, "failed": 0, "paused": 0, "spend": "", "is_single": True}
    begun = status(**run, running=(running(0),), best=Best(0, 48.31, 11, 27), name="train-0123456789")
    fresh = status(**run, running=(running(0, 0),), best=None, left_s=None)
    for made, first, second in (
        (begun, "epoch 12 of 27, val/mpjpe_mm 51.00", "best   val/mpjpe_mm 48.31, epoch 11 of 27"),
        (fresh, "epoch 0 of 27", "best   no score yet"),
    ):
        lines = plain(Painter("utf-8", has_colour=True).lines(made, width, 20))
        assert {len(line) for line in lines} == {width}
        assert len(lines) == (5 if width < 110 else 4)
        if width >= 60:
            assert first in lines[1]
            assert second in lines[2]
            assert "trial" not in "".join(lines)
            assert ("━" in lines[1]) == (made is begun)
    assert "left" in "".join(plain(Painter("utf-8", has_colour=True).lines(begun, 79, 20)))
