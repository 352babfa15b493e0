"""Start pages of sweeps: what they say, where they lead, and what a browser shows there."""

import json
import os
import re
import shutil
import signal
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from search.cli.results.ui import SweepName, UiRequest, _is_free
from search.environment.store import environment
from search.record.journal import FILE, Journal
from search.record.records import Facts
from spaces.cli import BAD_INPUT, INTERRUPTED
from tests.made.advice.read import recorded_lines
from tests.made.browsing.browser import CHROMIUM, browse
from tests.made.commands import LINE, listening_below, run, start
from tests.made.records import add_trial, made_journal, send

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from search.tracking import ui as ui_verb  # noqa: E402
from search.tracking.mlflow_tracker import MlflowTracker  # noqa: E402
from search.tracking.pages import start as pages  # noqa: E402
from search.tracking.pages.links import CHART, TRIALS, link  # noqa: E402
from search.tracking.pages.view import MOST_KNOBS, Shown, view_tag  # noqa: E402

KNOBS = ["network.dropout", "network.width", "optim.lr", "optim.lr_decay"]


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    """A folder with the recorded sweep of 30 trials in an MLflow database."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(empty_store, folder / "mlflow.db")
    path = folder / "sweeps" / "recorded" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(recorded_lines("luck-noise")))
    uri = f"sqlite:///{folder}/mlflow.db"
    spool = send(Journal(path), MlflowTracker(uri, folder / "artifacts"), uri)
    assert (spool.pending(), spool.trouble) == (0, "")
    return folder


@pytest.fixture
def store(home, monkeypatch):
    uri = f"sqlite:///{home}/mlflow.db"
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", uri)
    return MlflowTracker(uri, home / "artifacts")._client


def target_of(page):
    return re.search(r'location\.replace\("([^"]*)"\)', page)[1]


def test_a_start_page_sets_the_side_and_leads_to_the_view_of_the_sweep(store):
    for name, sweep_id in (("recorded", ""), ("recorded", "id-of-re")):
        page, status = pages.one_sweep(name, TRIALS, sweep_id)
        assert status == 200
        assert r'localStorage.setItem("mlflow.workflowType_v1", "\"machine_learning\"")' in page
        options = urllib.parse.parse_qs(target_of(page).partition("?")[2])
        key = options["viewStateShareKey"][0]
        assert options["compareRunsMode"] == ["TABLE"]
    experiment = store.get_experiment_by_name("graformer")
    assert target_of(page).startswith(f"/#/experiments/{experiment.experiment_id}/runs?")
    view = json.loads(experiment.tags[f"mlflow.sharedViewState.{key}"])
    assert view["selectedColumns"] == [
        "metrics.`best/val/mpjpe_mm`",
        "tags.`state`",
        "tags.`epochs`",
        *sorted((f"params.`{knob}`" for knob in KNOBS), key=view["selectedColumns"].index),
    ]
    found = store.search_runs([experiment.experiment_id], view["searchFilter"], order_by=[f"{view['orderByKey']} ASC"])
    assert len(found) == 30
    assert found[0].data.tags["trial"] == "24"
    assert "mlflow.parentRunId" in found[0].data.tags


def test_the_charts_have_the_sweeps_own_run_beside_its_trials(store):
    options = urllib.parse.parse_qs(target_of(pages.one_sweep("recorded", CHART)[0]).partition("?")[2])
    experiment = store.get_experiment_by_name("graformer")
    view = json.loads(experiment.tags[f"mlflow.sharedViewState.{options['viewStateShareKey'][0]}"])
    assert options["compareRunsMode"] == ["CHART"]
    assert len(store.search_runs([experiment.experiment_id], view["searchFilter"])) == 31
    lines, parallel = view["compareRunCharts"][:2], view["compareRunCharts"][2]
    (parent,) = store.search_runs([experiment.experiment_id], "tags.role = 'sweep'")
    assert lines[0]["metricKey"] in parent.data.metrics
    assert sorted(parallel["selectedParams"]) == KNOBS


def test_a_page_that_was_looked_at_writes_nothing_again(store, monkeypatch):
    pages.one_sweep("recorded", TRIALS)
    monkeypatch.setattr(pages.MlflowClient, "set_experiment_tag", lambda *values: pytest.fail("written again"))
    assert pages.one_sweep("recorded", TRIALS)[1] == 200


@pytest.mark.parametrize(
    ("name", "sweep_id"), [("other", ""), ("recorded", "x"), ("o'x", ""), ("recorded", "%"), ("<b>", "")]
)
def test_an_unknown_sweep_is_said_to_be(store, name, sweep_id):
    page, status = pages.one_sweep(name, TRIALS, sweep_id)
    assert status == 404
    assert "none of that name" in page
    assert "<b>" not in page


def test_the_page_of_all_lists_sweeps_and_single_trainings(store, home):
    page, status = pages.every_sweep()
    assert status == 200
    assert f'<a href="{link("recorded", "id-of-recorded")}">recorded</a>' in page
    assert "<td>24</td><td>36.70" in page


def test_a_single_training_opens_its_run(tmp_path, empty_store, monkeypatch):
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", uri)
    facts = Facts(revision="", versions={}, data={}, command="python -m search train x.yaml")
    journal = made_journal(tmp_path / "s1", single=True, facts=facts)
    add_trial(journal, 0)
    tracker = MlflowTracker(uri, tmp_path / "artifacts")
    send(journal, tracker, uri)
    journal.unlock()
    (run_id,) = tracker.find_runs("graformer", {"sweep": "first"})
    target = target_of(pages.one_sweep("first", TRIALS)[0])
    assert target == f"/#/experiments/1/runs/{run_id}?workflowType=machine_learning"
    assert ">first</a>" in pages.every_sweep()[0]


def test_a_store_that_does_not_answer_is_told_without_its_password(monkeypatch):
    def away(**values):
        raise ConnectionError("nobody at http://me:secret@there:5000 <b>")

    page, status = pages._guarded(away)(name="first")
    assert status == 500
    assert "nobody at http://me:***@there:5000 &lt;b&gt;" in page


def test_many_knobs_still_fit_a_tag():
    shown = Shown(
        sweep_id="f" * 32, experiment_id="1", objectives=["val/x"], knobs=["k" * 60 + str(i) for i in range(99)]
    )
    for what in (TRIALS, CHART):
        value = view_tag(shown, what)[1]
        assert len(value) < 20_000
        assert value.count("k" * 60) <= 2 * MOST_KNOBS


def test_the_links_of_a_server_that_has_no_start_pages_name_the_experiment(monkeypatch):
    asked = []

    def read(url):
        asked.append(url)
        return b'{"experiment": {"experiment_id": "7"}}' if "get-by-name" in url else b""

    monkeypatch.setattr(ui_verb, "_read", read)
    (line,) = ui_verb.server_lines(_request("http://me:secret@there:5000/", [SweepName("graformer", "first", "0f3a")]))
    assert line == (
        "sweep first: http://me:***@there:5000/#/experiments/7/runs?"
        "searchFilter=tags.sweep_id+%3D+%270f3a%27&workflowType=machine_learning"
    )
    monkeypatch.setattr(ui_verb, "_read", lambda url: b"x" if url.endswith("/sweeps") else b"")
    lines = ui_verb.server_lines(_request("http://there:5000", [SweepName("graformer", "first", "0123456789ab")]))
    assert lines[0].startswith("sweep first: trials http://there:5000/sweeps/first/01234567   charts ")
    assert lines[1] == "all sweeps: http://there:5000/sweeps"


def _request(uri, sweeps):
    place = {"artifacts": Path("/x"), "host": "127.0.0.1", "port": 5001, "is_shared": False}
    return UiRequest(uri=uri, sweeps=tuple(sweeps), **place)


def test_a_ui_of_an_unknown_sweep_offers_the_nearest(home):
    done = run([*LINE, "ui", "recordet", *_places(home)])
    assert done.returncode == BAD_INPUT
    assert "did you mean recorded?" in done.stderr


def _places(home):
    return ["--storage", str(home / "sweeps"), "--tracking-uri", f"sqlite:///{home}/mlflow.db"]


@pytest.fixture(scope="module")
def served(home):
    """A `ui` over the recorded sweep: its process, address and the lines that it printed."""
    port = _free_port()
    line = [*LINE, "ui", "recorded", "--serve", "--port", str(port), *_places(home), "--allowed-host", "gpu-box"]
    with start(line) as started:
        lines = []
        try:
            for printed in started.stdout:
                lines.append(printed.strip())
                if "THIS_MACHINE" in printed:
                    break
            yield started, f"http://127.0.0.1:{port}", lines
        finally:
            started.send_signal(signal.SIGINT)
            assert started.wait(30) == INTERRUPTED
    deadline = time.monotonic() + 10
    while not _is_free("127.0.0.1", port) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _is_free("127.0.0.1", port)


@pytest.mark.slow
def test_the_ui_serves_on_loopback_until_ctrl_c_and_leaves_no_server(served):
    started, url, lines = served
    port = int(url.rpartition(":")[2])
    assert f"MLflow UI: {url}   (Ctrl-C ends it)" in lines
    assert f"sweeps write to it with --tracking-uri {url}" in lines
    with urllib.request.urlopen(f"{url}/api/2.0/mlflow/experiments/search?max_results=5", timeout=30) as reply:
        names = {row["name"] for row in json.loads(reply.read())["experiments"]}
    assert names == {"Default", "graformer"}
    assert "answers to localhost, 127.0.0.1, gpu-box; another name of this machine: --allowed-host NAME" in lines
    for name, wanted in (("gpu-box", 200), ("other-box", 403)):
        # A browser's search, from the server's own page, and a start page.
        page = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}", "Content-Type": "application/json"}
        asked = json.dumps({"experiment_ids": ["0"]}).encode()
        assert _status(urllib.request.Request(f"{url}/ajax-api/2.0/mlflow/runs/search", asked, page)) == wanted
        assert _status(urllib.request.Request(f"{url}/sweeps/recorded", headers={"Host": f"{name}:{port}"})) == wanted
    assert _status(f"{url}/sweeps/other") == 404
    assert listening_below(started.pid) == {("127.0.0.1", port)}


@pytest.mark.slow
def test_a_browser_keeps_the_scripts_of_the_ui(served):
    _, url, _ = served
    with urllib.request.urlopen(url, timeout=30) as page:
        script = re.search(r"static-files/static/js/main[^\"]*", page.read().decode())[0]
    with urllib.request.urlopen(f"{url}/{script}", timeout=30) as reply:
        assert reply.headers["Cache-Control"] == "public, max-age=2419200"
        assert reply.headers.get_content_type() == "text/javascript"
        assert len(reply.read()) > 100_000
    assert _status(f"{url}/static-files/none.js") == 404
    assert _status(f"{url}/static-files/..%2f..%2f__init__.py") == 404
    other = urllib.request.Request(f"{url}/{script}", headers={"Host": "other-box"})
    assert _status(other) == 403, "names of hosts are looked at here, too"


def test_a_server_answers_once_what_a_browser_asks_first(store, monkeypatch):
    asked = []

    class Server:
        def test_client(self):
            return self

        def post(self, path, json):
            asked.append((path, json))

    pages._warm(Server())
    searched = {one.experiment_id for one in store.search_experiments()}
    assert [path for path, _ in asked] == ["/ajax-api/2.0/mlflow/runs/search", "/graphql"]
    assert set(asked[0][1]["experiment_ids"]) <= searched
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:////no/such/folder/x.db")
    pages._warm(Server())  # says nothing


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine, which would show the pages")
def test_one_click_leads_to_the_trials_with_score_and_searched_knobs_and_one_to_the_charts(served, home):
    _, url, lines = served
    (line,) = [line for line in lines if line.startswith("sweep recorded: trials ")]
    trials, charts = re.findall(r"http://\S+", line)
    best = Journal(home / "sweeps" / "recorded" / FILE).state.best()
    header = "[...document.querySelectorAll('.ag-header-cell')].map(cell => cell.innerText.trim())"
    row = "[...document.querySelectorAll('.ag-row[row-index=\"0\"] .ag-cell')].map(cell => cell.innerText.trim())"

    async def visit(page):
        await page.go(trials, f"document.body && {header}.includes('epochs') && {row}.length > 8")
        shown = await page.value(header), await page.value(row)
        await page.go(charts, "document.querySelectorAll('.js-plotly-plot .main-svg').length > 3")
        drawn = await page.value("document.body.innerText")
        # The side with training runs stays when nothing in the address asks for it.
        await page.go(f"{url}/#/experiments/1", "location.hash.startsWith('#/experiments/1/runs')")
        return *shown, drawn

    columns, cells, drawn = browse(visit)
    assert {"best/val/mpjpe_mm", "state", "epochs", *KNOBS} <= set(columns)
    assert f"recorded/{best.number:04d}" in " ".join(cells)
    assert any(cell.startswith(str(best.own_score)[:6]) for cell in cells)
    assert any(cell.startswith(str(best.point["optim.lr"])[:8]) for cell in cells)
    assert "best_by_device_seconds/val/mpjpe_mm" in drawn
    assert "Parallel Coordinates" in drawn


def _status(asked):
    try:
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
