#!/usr/bin/env bash
# What a call of MLflow's client costs in SQL statements, on sqlite.
#
# MLflow 3.17.2 (SQLAlchemy 2.1.9, Python 3.11). Expected: log_batch is one statement or two, whatever it carries.
# Seen: log_batch of a single metric sends 12 statements, of which one inserts; of 100 metrics, hardly more, so that a
# metric alone costs tens of times what it costs among a hundred. log_text asks for the whole run before it writes a
# file, seven SELECTs without one statement that changes anything. Ending a run is 4 SELECTs and an UPDATE.
#
# Fails if the counts of the listed calls change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 SQLAlchemy==2.1.9
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" -W ignore - <<'PY'
import collections
import sys

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from sqlalchemy import event

client = MlflowClient("sqlite:///m.db")
run = client.create_run(client.create_experiment("e", artifact_location="a")).info.run_id
names = [f"m{i}" for i in range(7)]
client.log_batch(run, params=[Param(f"p{i}", "1") for i in range(60)], metrics=[Metric(n, 1.0, 1, 1) for n in names])
seen = collections.Counter()
event.listen(
    client._tracking_client.store.engine,
    "before_cursor_execute",
    lambda connection, cursor, statement, *rest: seen.update([statement.split()[0]]),
)


def counted(call):
    seen.clear()
    call()
    return dict(sorted(seen.items()))


found = {
    "log_batch of one metric": counted(lambda: client.log_batch(run, metrics=[Metric("m0", 2.0, 2, 2)])),
    "log_batch of 100 metrics": counted(
        lambda: client.log_batch(run, metrics=[Metric(names[i % 7], 2.0, 3, 3 + i) for i in range(100)])
    ),
    "log_text": counted(lambda: client.log_text(run, "x", "x.txt")),
    "set_terminated": counted(lambda: client.set_terminated(run)),
}
for what, statements in found.items():
    print(f"{what}: {statements}")
expected = {
    "log_batch of one metric": {"INSERT": 1, "PRAGMA": 6, "SELECT": 4, "UPDATE": 1},
    "log_batch of 100 metrics": {"INSERT": 1, "PRAGMA": 6, "SELECT": 4, "UPDATE": 2},
    "log_text": {"PRAGMA": 3, "SELECT": 7},
    "set_terminated": {"PRAGMA": 3, "SELECT": 4, "UPDATE": 1},
}
sys.exit(found != expected)
PY
echo "as stated"
