"""Views of MLflow's UI for one sweep: which runs, columns and charts it shows. MLflow 3.17 keeps a shared view as a tag
of the experiment, which an address names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..names import key_of, name_of
from ..overview import BY_SECONDS
from .links import CHART, TRAINING

TAG = "mlflow.sharedViewState."  # and the name of the view; mlflow/server/js
MOST_KNOBS = 30  # an experiment's tag takes 20,000 characters
SPACE = "space."  # how the params of a sweep's run begin that name its searched knobs
OBJECTIVE = "plan.objective"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """Sweep to show. `sweep_id`: its id; `experiment_id`: that of MLflow; `objectives`: names of the metrics to
    minimise, the first one selects; `knobs`: dotted paths of the searched knobs."""

    sweep_id: str
    experiment_id: str
    objectives: Sequence[str]
    knobs: Sequence[str]


def shown_of(experiment_id: str, tags: Mapping[str, str], params: Mapping[str, str]) -> Shown:
    """Builds what to show of a sweep from the tags and params of its run."""
    names = [name_of(key) for key in params]
    return Shown(
        sweep_id=tags["sweep_id"],
        experiment_id=experiment_id,
        objectives=params.get(OBJECTIVE, "").split(","),
        knobs=[name.removeprefix(SPACE) for name in names if name.startswith(SPACE)],
    )


def view_tag(shown: Shown, what: str) -> tuple[str, str]:
    """Builds the tag of the experiment, key and value, that holds the view TRIALS or CHART of a sweep."""
    best = _metric(f"best/{shown.objectives[0]}")
    own = f"tags.sweep_id = '{shown.sweep_id}'"
    others = [_metric(name) for name in shown.objectives[1:]]
    columns = [best, *others, _tag("state"), _tag("epochs"), *(_param(path) for path in shown.knobs[:MOST_KNOBS])]
    view: dict[str, Any] = {
        # The sweep's own run has no number of a trial; with charts it is there for the curve of the best so far.
        "searchFilter": own if what == CHART else f"{own} AND tags.trial != ''",
        "orderByKey": best,
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": columns,
        "runsHiddenMode": "FIRST_20_RUNS",
    }
    if what == CHART:
        view |= _charts(shown)
    return f"{TAG}{_name(shown, what)}", json.dumps(view)


def address(shown: Shown, what: str) -> str:
    """Formats the address, without server, of the view TRIALS or CHART of a sweep."""
    mode = "CHART" if what == CHART else "TABLE"
    options = {"viewStateShareKey": _name(shown, what), "compareRunsMode": mode, "workflowType": TRAINING}
    return f"/#/experiments/{shown.experiment_id}/runs?{urlencode(options)}"


def _charts(shown: Shown) -> dict[str, Any]:
    objective = shown.objectives[0]
    best = f"best/{objective}"
    line = {"type": "LINE", "xAxisKey": "step", "useGlobalXaxisKey": False, "useGlobalLineSmoothing": False}
    charts: list[dict[str, Any]] = [
        {**line, "metricKey": key_of(f"{BY_SECONDS}/{objective}")},
        {**line, "metricKey": key_of(objective)},
        {
            "type": "PARALLEL",
            "selectedParams": [key_of(path) for path in shown.knobs[:MOST_KNOBS]],
            "selectedMetrics": [key_of(best)],
            "showAllRuns": True,
        },
    ]
    section = {"uuid": "sweep", "name": "sweep", "display": True, "isReordered": True}
    common = {"metricSectionId": "sweep", "deleted": False, "isGenerated": False, "lineSmoothness": 0}
    charts = [{**common, **chart, "uuid": f"sweep-{number}"} for number, chart in enumerate(charts)]
    return {"compareRunCharts": charts, "compareRunSections": [section], "isAccordionReordered": True}


def _name(shown: Shown, what: str) -> str:
    return f"{shown.sweep_id}-{what}"


def _metric(name: str) -> str:
    return f"metrics.`{key_of(name)}`"


def _param(name: str) -> str:
    return f"params.`{key_of(name)}`"


def _tag(name: str) -> str:
    return f"tags.`{name}`"
