"""Moving skeletons of a report: which poses they show, and that they play."""

import numpy as np
import pytest

from data.batches.tracks import Span
from tests.made.browsing.browser import CHROMIUM, browse
from tests.search.results.report.pages import clips_of
from trainables.prediction.comparison import chosen, shown_frames

# What is asked of the page, of its first clip.
BOX = "document.querySelector('.clip')"
BUTTON, PLACE = f"{BOX}.querySelector('button')", f"Number({BOX}.dataset.at)"
WORD = f"{BUTTON}.textContent"
PICTURE = f"{BOX}.querySelector('svg').innerHTML"
PLACES = "[...document.querySelectorAll('.clip')].map((box) => Number(box.dataset.at))"
READY = f"(() => {{ {BOX}?.scrollIntoView(); return {PLACES}.every(Number.isFinite) && {PLACES}.length; }})()"
SPOT = f"const spot = {BOX}.querySelector('svg').getBoundingClientRect()"
MIDDLE = f"(() => {{ {SPOT}; return [spot.x + spot.width / 2, spot.y + 90]; }})()"


def test_chosen_poses_are_extreme_apart_and_of_several_groups():
    spans = [Span(name=str(at), first=300 * at, end=300 * at + 300, fps=50.0) for at in range(4)]
    group = np.repeat([0, 0, 1, 1], 300)
    errors = np.random.default_rng(0).uniform(10, 20, 1200)
    errors[[100, 110, 250, 400]] = 1, 1.1, 1.2, 1.3
    errors[[700, 990, 20]] = 99, np.nan, 98
    counts = np.isfinite(errors)
    counts[20] = False
    found = chosen(errors, counts, group, spans)
    assert found[0] == (100, True)
    assert found[2] == (700, False)
    assert [group[at] for at, _ in found] == [0, 1, 1, 0]
    alone = chosen(errors, counts, np.zeros_like(group), spans)
    assert [at for at, _ in alone[:2]] == [100, 250]
    assert chosen(errors[:9], counts[:9], group[:9], [Span(name="a", first=0, end=9, fps=50.0)])[0][1]


@pytest.mark.parametrize(
    ("row", "fps", "most", "first", "last", "rate"),
    [
        (1150, 50.0, 99, 1100, 1198, 25.0),
        (1001, 50.0, 99, 1001, 1099, 25.0),
        (1299, 50.0, 99, 1201, 1299, 25.0),
        (1150, None, 99, 1125, 1174, 25.0),
        (1150, 60.0, 99, 1090, 1207, 20.0),
        (1150, 50.0, 10, 1140, 1158, 25.0),
    ],
)
def test_a_clip_holds_its_pose_and_stays_in_its_track(row, fps, most, first, last, rate):
    rows, shown = shown_frames(Span(name="a", first=1000, end=1300, fps=fps), row, most)
    assert row in rows
    assert (rows[0], rows[-1], shown) == (first, last, rate)
    assert len(rows) <= most


def moved(at):
    """Whether the first clip comes to show another frame than `at` within 20 seconds."""
    look = f"{PLACE} !== {at} ? done(true) : performance.now() > last ? done(false) : setTimeout(look, 20)"
    return f"new Promise((done) => {{ const last = performance.now() + 2e4, look = () => {look}; look(); }})"


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here to show a page")
def test_skeletons_play_turn_and_pause_and_stand_still_if_the_system_asks_for_it(sweep, say, place):
    shown = [one["at"] for one in clips_of(say("first")[1])]
    page = (place[0].parent / "r.html").as_uri()

    async def visit(browser):
        async def ask(motion):
            await browser.call(
                "Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": motion}]
            )
            await browser.call("Page.navigate", url="about:blank")
            await browser.go(page, READY)
            return await browser.value(WORD), await browser.value(PLACES)

        assert await ask("reduce") == ("Play", shown)
        first = await browser.value(PICTURE)
        await browser.value(f"{BUTTON}.click()")
        assert await browser.value(moved(shown[0]))
        assert await browser.value(WORD) == "Pause"
        await browser.value(f"{BUTTON}.click()")
        assert await browser.value(PICTURE) != first
        x, y, before = [*await browser.value(MIDDLE), await browser.value(PICTURE)]
        for kind, across in (("mousePressed", 0), ("mouseMoved", 40), ("mouseReleased", 40)):
            await browser.call("Input.dispatchMouseEvent", type=kind, x=x + across, y=y, button="left", buttons=1)
        assert await browser.value(PICTURE) != before
        word, _ = await ask("no-preference")
        assert word == "Pause"
        assert await browser.value(moved(shown[0]))

    browse(visit)
