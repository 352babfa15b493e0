"""Size of a sweep's report, time to write it, and time until Chromium shows it, for sweeps of several sizes.

python bench/reports/opening.py [--trials 3,50,1000] [--loads 5] [--shots FOLDER] [--page FILE]

The sweeps are recorded on a virtual clock, without training. `opened`: from DOMContentLoaded until every figure on the
first screen is drawn; `whole`: the same from the start of the navigation, reading 5 MB of plotly.js included. Both are
the median and the longest of some loads in one Chromium, whose first load starts more than the page. `--shots` also
writes pictures of the page, light and dark, wide and narrow, with all figures drawn; `--page` measures a report that is
there instead."""

import argparse
import asyncio
import base64
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from search.record.journal import FILE
from search.record.lines import Chain, read_rows
from search.record.records import SessionRow
from search.results.report.report import write_report
from tests.made.advice.recorded import KNOBS, Case, record

SCREENS = {"wide": (1280, 900), "narrow": (390, 844)}
DRAWN = """new Promise((done) => {
  const look = () => {
    const seen = [...document.querySelectorAll(".figure > div")].filter((box) => {
      const place = box.getBoundingClientRect();
      return place.top < innerHeight && place.bottom > 0;
    });
    const ready = document.readyState === "complete" && seen.every((box) => box.dataset.drawn);
    const began = performance.getEntriesByType("navigation")[0].domContentLoadedEventStart;
    if (ready) done(JSON.stringify([performance.now(), began, document.documentElement.scrollHeight]));
    else setTimeout(look, 5);
  };
  look();
})"""


def recorded(folder: Path, trials: int) -> Path:
    """The folder of a recorded sweep of so many trials, some of them failed, whose trials took time."""
    case = Case(trials=max(trials, 12), sampler="random", knobs=tuple(KNOBS), fails=0.05)
    path = record(case, trials, folder) / FILE
    rows = [row for row, _ in read_rows(path)]
    kept = [row for row in rows[1:] if getattr(row, "trial", 0) < trials and row.kind != "session"]
    ts_ms = rows[1].ts_ms  # the first record has the time of this machine
    head = rows[0].changed(ts_ms=ts_ms, plan={**rows[0].plan, "trials": trials})
    chain, lines = Chain(), []
    for row in (
        head,
        SessionRow(ts_ms=ts_ms, places=4, gpus=1.0),
        *kept[:-1],
        kept[-1].changed(at=None, ended=None, best=None),
    ):
        lines.append(chain.line_of(row))
        chain.advance(lines[-1])
    path.write_bytes(b"".join(lines))
    return path.parent


class Browser:
    """A headless Chromium, driven over its websocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.count = socket, 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.count += 1
        await self.socket.send_json({"id": self.count, "method": method, "params": params})
        while (answer := await self.socket.receive_json()).get("id") != self.count:
            pass
        return answer["result"]

    async def drawn(self) -> list[float]:
        """Waits until the figures on the screen are drawn; the ms then, at DOMContentLoaded, the height in pixels."""
        answer = await self.call("Runtime.evaluate", expression=DRAWN, awaitPromise=True, returnByValue=True)
        return json.loads(answer["result"]["value"])

    async def show(self, page: Path, screen: str = "wide", scheme: str = "light") -> list[float]:
        width, height = SCREENS[screen]
        look = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.size(width, height, screen)
        await self.call("Emulation.setEmulatedMedia", features=look)
        await self.call("Page.navigate", url=page.as_uri())
        await asyncio.sleep(0.3)  # until the former page is gone
        return await self.drawn()

    async def size(self, width: int, height: int, screen: str) -> None:
        is_mobile = screen == "narrow"
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_mobile
        )

    async def shoot(self, page: Path, screen: str, scheme: str, target: Path) -> None:
        """Writes a picture of the whole page."""
        _, _, height = await self.show(page, screen, scheme)
        await self.size(SCREENS[screen][0], min(int(height) + 600, 12_000), screen)
        await asyncio.sleep(1)
        await self.drawn()
        picture = await self.call("Page.captureScreenshot", format="png")
        target.write_bytes(base64.b64decode(picture["data"]))


async def browse(chromium: str, folder: Path, jobs: Callable[[Browser], Awaitable[None]]) -> None:
    """Starts Chromium with a profile in a folder, runs `jobs(browser)` and ends it."""
    words = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    process = await asyncio.create_subprocess_exec(
        chromium, *words, "about:blank", stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        while b"DevTools listening" not in (line := await process.stderr.readline()):
            assert line, "Chromium did not start"
        port = line.decode().split(":")[-1].split("/")[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                page = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                browser = Browser(socket)
                await browser.call("Page.enable")
                await jobs(browser)
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="3,50,1000")
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        pages = {} if options.page is None else {options.page.stem: options.page.resolve()}
        for trials in () if pages else map(int, options.trials.split(",")):
            folder = Path(made, str(trials))
            folder.mkdir()
            sweep, began = recorded(folder, trials), time.process_time()
            pages[trials] = folder / "report.html"
            write_report(sweep, pages[trials])
            size = pages[trials].stat().st_size / 1e6
            print(f"{trials} trials: {size:.1f} MB, written in {time.process_time() - began:.1f} s of processor time")

        async def look(browser: Browser) -> None:
            for trials, page in pages.items():
                told = f"{trials} trials" if isinstance(trials, int) else trials
                times = [await browser.show(page) for _ in range(options.loads)]
                for name, taken in (
                    ("opened", [now - began for now, began, _ in times]),
                    ("whole", [now for now, _, _ in times]),
                ):
                    print(f"{told}, {name}: {statistics.median(taken):.0f} ms, longest {max(taken):.0f} ms")
                for screen in SCREENS if options.shots else ():
                    for scheme in ("light", "dark"):
                        options.shots.mkdir(parents=True, exist_ok=True)
                        await browser.shoot(page, screen, scheme, options.shots / f"{trials}-{screen}-{scheme}.png")

        if options.chromium is None:
            print("no Chromium here: give --chromium PATH for the time to open")
        else:
            asyncio.run(asyncio.wait_for(browse(options.chromium, Path(made, "profile"), look), 600))


if __name__ == "__main__":
    main()
