"""`report`: one HTML file of a sweep, or of several, which loads nothing and escapes what people wrote."""

import json
import re
import shlex
import shutil
import subprocess

import pytest

from search.decisions import importance
from search.figures import embedding, plots
from search.notebook.sweep import Sweep
from search.record.journal import FILE, Journal
from search.record.lines import read_rows
from search.record.records import (
    AttemptRow,
    EndRow,
    EpochRow,
    NoteRow,
    SweepRow,
    TrialRow,
)
from search.results.report.elements import Markup, element, escaped
from search.tracking.projection import PICTURE
from tests.made.sweeps import OBJECTIVE, book, made_journal, made_plan, write_files
from tests.search.cli.test_printed import taken
from tests.search.results.report.pages import EVIL, Read, write_rows

MOST = 8_000_000  # bytes


def test_a_report_holds_what_the_record_does(whole):
    page = Read(whole[1])
    assert page.headings == [
        *("Overview", "Advice", "Scores", "Knobs", "Time", "Failures", "Trials", "Test scores", "Commands"),
    ]
    assert "48.50" in page.texts["b"]
    facts = page.texts["dd"]
    assert "set tiny, keypoints gt, fingerprint 0f3a91c2de44, train S1, val S8" in facts
    assert "2 finished, 1 pruned, 1 failed, 1 diverged, 1 running" in facts
    cells = page.texts["td"].splitlines()
    best = cells.index("48.50")
    assert cells[best - 2 : best + 4] == ["2", "finished", "48.50", "3", "2", "1"]
    assert "1 failed (trial 3): ValueError: " in page.texts["summary"]
    assert "1 diverged (trial 4): loss is nan" in page.texts["p"]
    titles = page.texts["h3"]
    for title in ("Score of each trial", f"{OBJECTIVE} by epoch", "Trials that reached an epoch", "Score by knob"):
        assert title in titles
    # History, time, curves, survival, importance, slices, parallel coordinates; spend is too little to be on record.
    kinds = [figure["data"][0]["type"] for figure in page.figures]
    assert kinds[:4] == ["scatter"] * 4
    assert kinds[4:7] == ["bar", "scatter", "parcoords"]


def test_figures_are_those_of_the_notebook(whole):
    sweep, found = Sweep(whole[0]), Read(whole[1]).figures
    draws = ("history", "hours", "curves", "survival", "importance", "slices", "parallel", "spend")
    for draw, figure in zip(draws, found, strict=True):
        expected = json.loads(embedding.figure_json(getattr(sweep, f"plot_{draw}")()))
        assert figure == expected, draw
        assert figure["data"], draw


def test_its_figures_have_no_title_and_no_colours_of_the_page(whole):
    for figure in Read(whole[1]).figures:
        assert not {"title", "template"} & figure["layout"].keys()


def test_every_command_in_a_report_can_be_typed(read, storage):
    write_files(storage / "first", 2)
    write_files(storage / "first", 0)
    lines = [line for line in read("first").texts["code"].splitlines() if line.startswith("python -m search")]
    verbs = [line.split()[3] for line in lines]
    assert verbs[:5] == ["report", "export", "evaluate", "export", "evaluate"]
    assert {"launch", "show", "resume", "confirm", "train"} <= {*verbs}
    for line in lines:
        words = shlex.split(line)
        if words[3] == "show":
            assert taken(words).storage == storage
        if words[3] == "export":
            assert taken(words).journal == storage / "first" / FILE


def test_weights_that_are_not_there_are_told(read):
    assert "trial 2 has no weights at " in read("first").texts["p"]


def test_what_people_wrote_is_escaped(read, storage, whole):
    assert EVIL not in whole[1]
    assert "\x1b" not in whole[1]
    page = Read(whole[1])
    assert f"ValueError: {EVIL}\\x1b[0m" in page.texts["code"]
    assert page.scripts == 2 + len(page.figures), "one of the library, one of the page, one a figure"
    journal = Journal(storage / "first" / FILE)
    journal.lock()
    journal.append(NoteRow(text=f"wider? {EVIL} \u202e & 'more'"))
    journal.unlock()
    page = read("first")
    text = (storage.parent / "r.html").read_text(encoding="utf-8")
    assert EVIL not in text
    assert "\u202e" not in text
    assert f"wider? {EVIL} \\u202e & 'more'" in page.texts["div"]


def test_text_in_a_figure_is_no_markup(storage, read):
    plan = made_plan("odd", trials=2)
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0])
    journal.unlock()
    path = storage / "odd" / FILE
    rows = [row for row, _ in read_rows(path)]
    name = "</script><b>bold</b>"
    write_rows(path, [row.changed(name=name) if isinstance(row, SweepRow) else row for row in rows])
    page = read("odd")
    assert page.scripts == 2 + len(page.figures)
    assert "<b>bold" not in (storage.parent / "r.html").read_text(encoding="utf-8")


def test_markup_is_only_what_is_said_to_be():
    assert (
        element("p", "a < b", Markup("<b>c</b>"), None, title='"q"') == '<p title="&quot;q&quot;">a &lt; b<b>c</b></p>'
    )
    assert "characters left out" in escaped("x" * 30_000)
    assert len(escaped("x" * 30_000)) < 20_100


def test_nothing_is_loaded_from_anywhere(read, storage, with_library):
    picture = storage / "first" / "trials" / "0002" / PICTURE
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"\x89PNG")
    page = read("first")
    assert [one for one in page.loads if not one.startswith(("#", "data:image/png;base64,"))] == []
    assert any(one.startswith("data:") for one in page.loads)
    text = (storage.parent / "r.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    own = text.replace(embedding.library(), "")
    assert "http" not in own.replace("http-equiv", "")
    assert not re.search(r"fetch\(|XMLHttpRequest|@import|importScripts|WebSocket", own)
    assert len(text.encode()) < MOST


def test_a_large_sweep_stays_small(storage, read, with_library, monkeypatch):
    monkeypatch.setattr(importance, "MOST_TRIALS", 20)
    monkeypatch.setattr(plots, "MOST_POINTS", 6000)
    plan = made_plan("large", trials=1000, epochs=12)
    journal = made_journal(storage, plan)
    journal.unlock()
    path = storage / "large" / FILE
    head = next(read_rows(path))[0]
    rows, now = [head], head.ts_ms
    for number in range(1000):
        point = {"optim.lr": 1e-4 * (1 + number % 90), "network.layers": 2 + number % 3, "data.flip": number % 2 == 0}
        rows.append(TrialRow(ts_ms=now, trial=number, point=point, config_id=f"{number:010x}"))
        rows.append(AttemptRow(ts_ms=now, trial=number, attempt=1, after_epoch=0))
        for epoch in range(1, 13):
            now += 1000
            score = {OBJECTIVE: 50 + 40 / epoch + number / 1000, "val/p_mpjpe_mm": 40 + number / 7}
            rows.append(EpochRow(ts_ms=now, trial=number, epoch=epoch, metrics=score, seconds=1.0, lr=0.1, loss=0.1))
        reason = f"RuntimeError: {'x' * 2000} {number}"
        state = "failed" if number % 2 else "finished"
        rows.append(EndRow(ts_ms=now, trial=number, state=state, epoch=12, reason=reason if number % 2 else ""))
    write_rows(path, rows)
    page = read("large")
    assert (storage.parent / "r.html").stat().st_size < MOST
    curves = page.figures[2]["data"]
    assert sum(len(trace["x"]) for trace in curves) < 9_000
    assert {trace["mode"] for trace in curves[:-1]} == {"lines"}, "only the best has marks"
    assert re.search(r"fANOVA, 20 of \d{3} trials at epoch 12", page.texts["h3"])


@pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium here to show a page")
def test_a_browser_draws_the_figures_that_it_shows(whole, tmp_path, with_library):
    page = tmp_path / "r.html"
    page.write_text(whole[1].replace("<script>0</script>", f"<script>{embedding.library()}</script>"), encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    words = ["--headless", "--no-sandbox", "--window-size=1200,1400", "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *words, profile, page.as_uri()], capture_output=True, text=True, check=False, timeout=120
    )
    drawn = re.findall(r'<div data-figure="figure-\d"[^>]*>', done.stdout)
    assert len(drawn) == len(Read(whole[1]).figures)
    assert 'data-drawn="light"' in drawn[0]
    assert "data-drawn" not in drawn[-1], "it is far below"
    assert done.stdout.count("<svg") > 1
