"""What a tracker holds of a run."""

from pathlib import Path

from search.tracking.memory import MemoryRun, MemoryTracker
from search.tracking.tracker import DataUsed

OWN_TAGS = ("mlflow.parentRunId", "mlflow.runName")  # those that MLflow sets itself


def seen(tracker, run_id) -> MemoryRun:
    """What a tracker holds of a run, read from MLflow by its own client."""
    if isinstance(tracker, MemoryTracker):
        return tracker.runs[run_id]
    client, run = tracker._client, tracker._client.get_run(run_id)
    folder = Path(client._tracking_client._get_artifact_repo(run_id).artifact_dir)
    tags = {key: value for key, value in run.data.tags.items() if key not in OWN_TAGS}
    used = [one.dataset for one in run.inputs.dataset_inputs]
    history = {key: client.get_metric_history(run_id, key) for key in run.data.metrics}
    return MemoryRun(
        experiment=client.get_experiment(run.info.experiment_id).name,
        name=run.info.run_name,
        parent_id=run.data.tags.get("mlflow.parentRunId"),
        start_ms=run.info.start_time,
        end_ms=run.info.end_time,
        status=run.info.status,
        tags=tags,
        params=run.data.params,
        points={key: sorted((m.step, m.timestamp, m.value) for m in found) for key, found in history.items()},
        files={str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()},
        data={DataUsed(name=one.name, digest=one.digest, facts=one.source) for one in used},
    )
