"""Start pages of sweeps in MLflow's server: each makes the browser show training runs, and sends it on to the sweep.

MLflow 3.17 opens an experiment on the side of its UI that has traces, whatever the experiment holds. The browser keeps
which side it shows, for each server, so only a page of the same server can set it."""

from __future__ import annotations

import functools
import html
import importlib
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ...environment.store import redacted
from .links import CHART, PATH, TRAINING, TRIALS, link
from .view import address, shown_of, view_tag

# What mlflow 3.17 keeps in the browser's storage: which side of its UI it shows, and that its assistant, which takes a
# quarter of the window, has once opened by itself.
KEPT = {"mlflow.workflowType_v1": TRAINING, "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True}
MOST = 30  # sweeps on the page of all
MOST_EXPERIMENTS = 1000
SHOWN_AT_ONCE = 100  # runs, in MLflow's table
FOUND, UNKNOWN, FAILED = 200, 404, 500
FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 15px sans-serif; margin: 3em }} td, th {{ text-align: left; padding: 0.3em 2em 0.3em 0 }}</style>
<script>try {{ {keep} }} catch (fault) {{}} {more}</script></head>
<body><h1>{title}</h1>{body}</body></html>
"""
Answer = tuple[str, int]


def app() -> Any:
    """Builds MLflow's server with the start pages in it; uvicorn calls it."""
    server = importlib.import_module("mlflow.server").app
    for path, what in (("", TRIALS), (f"/{CHART}", CHART)):
        for place in ("<name>", "<name>/<sweep_id>"):
            page = functools.partial(one_sweep, what=what)
            server.add_url_rule(f"{PATH}/{place}{path}", f"{place} {what}", _guarded(page))
    server.add_url_rule(PATH, "sweeps", _guarded(every_sweep))
    threading.Thread(target=_warm, args=(server,), name="warm", daemon=True).start()
    whole = importlib.import_module("mlflow.server.fastapi_app").app
    whole.router.routes.insert(0, Mount("/static-files", _Scripts(directory=server.static_folder)))
    return whole


class _Scripts(StaticFiles):  # type: ignore[misc]  # of a library that is not looked into
    """Scripts of MLflow's UI, whose names hold a hash of their content. Its own server sends each through a thread and
    a WSGI application, the sixty of a first look in twice the time."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        answer = super().file_response(*given, **named)
        answer.headers["Cache-Control"] = "public, max-age=2419200"
        return answer


def _warm(server: Any) -> None:
    """Asks the server for what a browser asks it first. Whoever asks first waits for what it loads and compiles for
    that: a second and a half."""
    with suppress(Exception):  # a store that does not answer is told to those who look
        experiments = _client().search_experiments(max_results=1)
        search = {"experiment_ids": [one.experiment_id for one in experiments], "max_results": SHOWN_AT_ONCE}
        browser = server.test_client()
        browser.post("/ajax-api/2.0/mlflow/runs/search", json=search)
        browser.post("/graphql", json={"query": "{ __typename }"})


def _guarded(page: Callable[..., Answer]) -> Callable[..., Answer]:
    @functools.wraps(page, updated=())
    def answer(**places: str) -> Answer:
        try:
            return page(**places)
        except Exception as error:  # of MLflow and its database's driver
            return _page("MLflow does not answer", f"<p>{html.escape(redacted(str(error)))}</p>"), FAILED

    return answer


def one_sweep(name: str, what: str, sweep_id: str = "") -> Answer:
    """Builds the page that sends a browser on to TRIALS or CHART of a sweep, and its status. `sweep_id`: how its id
    begins, where several sweeps have this name ('': the newest)."""
    client = _client()
    # MLflow's filters have no way to write a quote.
    is_plain = not {*"'%"} & {*name, *sweep_id}
    found = _runs(client, f"tags.sweep = '{name}' AND tags.sweep_id LIKE '{sweep_id}%'", 1) if is_plain else []
    if not found:
        known = f'<p>This store has none of that name. <a href="{PATH}">The sweeps in it</a></p>'
        return _page(f"Sweep {name}", known), UNKNOWN
    (run,) = found
    target = _single(run)
    if "trial" not in run.data.tags:
        shown = shown_of(run.info.experiment_id, run.data.tags, run.data.params)
        key, value = view_tag(shown, what)
        if client.get_experiment(shown.experiment_id).tags.get(key) != value:
            client.set_experiment_tag(shown.experiment_id, key, value)
        target = address(shown, what)
    on = f'<p><a href="{html.escape(target)}">Go on</a></p>'
    return _page(f"Sweep {name}", on, f"location.replace({_script(target)})"), FOUND


def every_sweep() -> Answer:
    """Builds the page with the newest sweeps of the store, and its status."""
    rows = []
    for run in _runs(_client(), "", MOST):
        tags = run.data.tags
        place = tags["sweep"], tags["sweep_id"]
        cells = [html.escape(tags.get(key, "")) for key in ("model", "state", "best_trial", "best_score")]
        links = f'<a href="{link(*place)}">{html.escape(place[0])}</a>', f'<a href="{link(*place, CHART)}">chart</a>'
        rows.append("".join(f"<td>{cell}</td>" for cell in (*links, *cells)))
    head = "".join(f"<th>{name}</th>" for name in ("sweep", "", "model", "state", "best trial", "score"))
    body = f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
    return _page("Sweeps", body if rows else "<p>There is none in this store yet.</p>"), FOUND


def _client() -> MlflowClient:
    return MlflowClient(os.environ["MLFLOW_BACKEND_STORE_URI"])


def _runs(client: MlflowClient, where: str, most: int) -> list[Run]:
    """Returns the newest runs of sweeps, and of single trainings, with these tags."""
    experiments = [one.experiment_id for one in client.search_experiments(max_results=MOST_EXPERIMENTS)]
    found: list[Run] = []
    # A single training has no parent run; of its one trial the number is 0.
    for kind in ("tags.role = 'sweep'", "tags.trial = '0' AND tags.`facts.command` != ''"):
        query = " AND ".join([kind, *([where] if where else [])])
        found += client.search_runs(experiments, query, max_results=most, order_by=["attributes.start_time DESC"])
    return sorted(found, key=lambda run: -run.info.start_time)[:most]


def _single(run: Run) -> str:
    """Formats the address, without server, of one run."""
    return f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?workflowType={TRAINING}"


def _page(title: str, body: str, more: str = "") -> str:
    keep = "; ".join(f"localStorage.setItem({_script(key)}, {_script(json.dumps(KEPT[key]))})" for key in KEPT)
    return FRAME.format(title=html.escape(title), body=body, keep=keep, more=more)


def _script(text: str) -> str:
    """Quotes a text for a script in a page."""
    return json.dumps(text).replace("<", "\\u003c")
