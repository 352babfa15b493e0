"""Seconds until MLflow's UI shows the trials of a sweep, from the link that `ui` prints, in a browser without a window.

python bench/ui/look.py --trials 1000

The journal is that of `bench/spool.py`, sent to a fresh sqlite store. At the first look the browser has nothing cached,
at the later ones it has MLflow's scripts; a look ends when the first rows of the table with their scores are there.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]  # started as a file, Python looks beside it only

import spool as journals

from search.record.journal import FILE
from search.tracking.spool import sync
from tests.made.browsing.browser import Page, browse

FIRST = "[...document.querySelectorAll('.ag-row[row-index=\"0\"] .ag-cell')]"
SCORED = "some(cell => /^[0-9]+[.][0-9]{3}/.test(cell.innerText))"
SHOWN = f"document.querySelectorAll('.ag-row').length > 10 && {FIRST}.{SCORED}"


def store(folder: Path, trials: int, epochs: int) -> list[str]:
    """Writes a journal and sends it; returns the options that name its places."""
    from search.tracking.mlflow_tracker import MlflowTracker

    path, uri = folder / "sweeps" / "bench" / FILE, f"sqlite:///{folder}/mlflow.db"
    path.parent.mkdir(parents=True)
    close = {"kind": "close", "reason": "done", "best": None, "pictures": False}
    journals.write(path, [journals.opening(), *journals.interleaved(trials, epochs, 8), close], 10**12)
    sent = sync(path, lambda: MlflowTracker(uri, folder / "artifacts"), journals.OBJECTIVE, uri)
    assert (sent.pending(), sent.trouble) == (0, ""), sent.trouble
    return ["--storage", str(folder / "sweeps"), "--tracking-uri", uri]


def looks(link: str, times: int) -> list[float]:
    """Looks at a page so many times; returns the seconds of each."""

    async def visit(page: Page) -> list[float]:
        found = []
        for _ in range(times):
            found.append(round(await page.go(link, SHOWN), 2))
            await page.go("about:blank", "location.href == 'about:blank'")
        return found

    return browse(visit)


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds until MLflow's UI shows the trials of a sweep.")
    parser.add_argument("--trials", type=int, default=1000, help="trials of the sweep (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each (default: %(default)s)")
    parser.add_argument("--times", type=int, default=4, help="looks (default: %(default)s)")
    sizes = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        places = store(Path(folder), sizes.trials, sizes.epochs)
        line = [sys.executable, "-m", "search", "ui", "bench", "--port", str(port), *places]
        with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            try:
                link = next(found[1] for text in server.stdout if (found := re.search(r"trials (http\S+)", text)))
                print(json.dumps({**vars(sizes), "seconds": looks(link, sizes.times)}))
            finally:
                server.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
