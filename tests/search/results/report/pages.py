"""Sweeps made by hand for reports, and what a browser finds in one."""

import gzip
import itertools
import json
import re
from html.parser import HTMLParser

from search.record.journal import FILE
from search.record.lines import Chain, read_rows
from search.record.records import (
    SessionRow,
)
from tests.made.advice.recorded import GOLDEN
from tests.made.sweeps import book, made_journal, made_plan

EVIL = '<script>alert("x")</script>'


class Read(HTMLParser):
    """What a browser would find in a page: texts by element, attributes that load, figures."""

    VOID = ("meta", "img", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.loads, self.figures, self.headings, self.scripts = [], {}, [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action", "poster")]
        self.loads += re.findall(r"url\(([^)]*)\)", given.get("style", ""))
        self.scripts += tag == "script"
        if tag not in self.VOID:
            self.open.append((tag, given))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, given = self.open[-1] if self.open else ("", {})
        if given.get("type") == "application/json":
            self.figures.append(json.loads(data))
        elif tag not in ("script", "style"):
            self.texts[tag] = f"{self.texts.get(tag, '')}{data}\n"
        if tag == "h2":
            self.headings.append(data)


def made_first(folder, *, is_whole=False):
    plan = made_plan("first", trials=6)
    journal = made_journal(folder, plan)
    # A second a record.
    journal.now_ms = (journal.sweep.ts_ms + 1000 * second for second in itertools.count(1)).__next__
    journal.append(SessionRow(places=2, gpus=0))
    book(journal, plan, {"optim.lr": 2e-3, "network.layers": 3}, [60.0, 52.0])
    book(journal, plan, {"optim.lr": 3e-3, "network.layers": 2}, [70.0], "pruned", "asha: epoch 1")
    book(journal, plan, {"optim.lr": 1e-3, "network.layers": 4}, [61.0, 48.5, 49.0])
    if not is_whole:
        return journal  # too few for the importance, which takes time
    reason = f"Traceback (most recent call last):\n  File here\nValueError: {EVIL}\x1b[0m"
    book(journal, plan, {"optim.lr": 9e-3, "network.layers": 4}, [66.0], "failed", reason)
    book(journal, plan, {"optim.lr": 4e-3, "network.layers": 4}, [float("nan")], "diverged", "loss is nan")
    book(journal, plan, {"optim.lr": 5e-3, "network.layers": 2}, [64.0], "running")
    return journal


def placed(storage, name, golden):
    """Puts a kept sweep into a storage folder as `name`, begun when its first trial was, so that it has spent time."""
    (storage / name).mkdir()
    path = storage / name / FILE
    path.write_bytes(gzip.decompress((GOLDEN / f"{golden}.jsonl.gz").read_bytes()))
    rows = [row for row, _ in read_rows(path)]
    write_rows(path, [rows[0].changed(ts_ms=rows[1].ts_ms), *rows[1:]])


def write_rows(path, rows):
    chain, lines = Chain(), []
    for row in rows:
        lines.append(chain.line_of(row))
        chain.advance(lines[-1])
    path.write_bytes(b"".join(lines))


def clips_of(page):
    """The data of the moving skeletons of a page."""
    return [one for one in page.figures if "bones" in one]
