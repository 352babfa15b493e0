"""What showing a sweep costs its driver: CPU time of one core by trials.

python bench/terminal/panel.py --trials 100,1000    a simulated sweep with the panel on a pseudo-terminal, for each

12 searched knobs, TPE and ASHA, 8 trials at a time, scores from a made-up bowl, no training and no fsync: the driver
draws and books without a pause, and a frame is drawn whenever one may be.
  figure_us    running figures of one record    word_us    its words, and its line for terminal and log
  frame_ms     one frame of the panel, with what the terminal is sent
  panel, words    shares of the driver's CPU time, percent: figures and frames; words
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # started as a file, Python looks beside it only

from bench.driver import CONCURRENT, Sweep, begun, plan_for
from search.decisions.conductor import Conductor
from search.decisions.forecast import Forecast
from search.record.records import EndRow, EpochRow, SessionRow, TrialEvent
from search.sweep.reporter import Reporter
from search.terminal.modes import LIVE
from search.terminal.screen import Screen


def _empty() -> float:
    """Seconds that timing nothing takes."""
    began = time.thread_time()
    return time.thread_time() - began


def shares(trials: int, storage: Path) -> dict[str, float]:
    """The figures of a sweep of so many trials."""
    plan, spent = plan_for(trials), dict.fromkeys(("events", "figures", "records"), 0.0)
    journal = begun(plan, storage)
    journal.append(SessionRow(places=CONCURRENT, gpus=1.0))
    with Reporter(LIVE) as reporter:
        screen: Screen = reporter._screen
        forecast = Forecast(journal, plan, CONCURRENT, reporter.tell)

        def watch(row: TrialEvent) -> None:
            began = time.thread_time()
            reporter.booked(row)
            spent["events"] += time.thread_time() - began
            spent["records"] += 1
            if isinstance(row, EpochRow | EndRow):
                forecast.look(row)

        sweep = Sweep(journal, plan, None)
        sweep.conductor = Conductor(journal, plan, CONCURRENT, reporter.tell, watch=watch)
        reporter.begin(journal, plan, forecast)
        tally = reporter._tally
        assert tally is not None, "a reporter that has begun"
        take = tally.take

        def timed(row: TrialEvent, knobs: str = "") -> None:
            began = time.thread_time()
            take(row, knobs)
            spent["figures"] += time.thread_time() - began

        empty = min(_empty() for _ in range(1000))
        tally.take = timed  # type: ignore[method-assign]
        time.sleep(1)  # while rich is imported
        began = time.process_time()
        sweep.go()
        whole = time.process_time() - began
        drawn, frames = screen.spent_s, screen.frames
    journal.unlock()
    # Each time was taken with a clock that takes some itself: once for the figures, twice for the event around them.
    spent["events"] -= 2 * empty * spent["records"]
    spent["figures"] -= empty * spent["records"]
    return {
        "trials": trials,
        "figure_us": 1e6 * spent["figures"] / spent["records"],
        "word_us": 1e6 * (spent["events"] - spent["figures"]) / spent["records"],
        "frame_ms": 1e3 * drawn / frames,
        "driver_s": whole,
        "panel": 100 * (spent["figures"] + drawn) / whole,
        "words": 100 * (spent["events"] - spent["figures"]) / whole,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="100,1000", help="trials of each sweep, by commas (default: %(default)s)")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    out = os.fdopen(os.dup(1), "w")
    master, slave = os.openpty()
    threading.Thread(target=lambda: all(iter(lambda: os.read(master, 1 << 16), b"")), daemon=True).start()
    os.dup2(slave, 1)
    os.environ["TERM"] = "xterm-256color"
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(os, "fsync", return_value=None):
        for trials in map(int, arguments.trials.split(",")):
            rows.append(shares(trials, Path(folder) / str(trials)))
    for row in rows:
        print(", ".join(f"{name} {value:,.4g}" for name, value in row.items()), file=out)


if __name__ == "__main__":
    main()
