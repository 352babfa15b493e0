"""Collects versions, devices, data sets and shared storage of every node of a Ray cluster, as JSON: `python -m
search.doctor.nodes ADDRESS DATA_ROOT FOLDER`.

A separate program: its task is sent to the nodes as text, so that a node without this repository answers, too, and a
Ray that cannot be imported or does not answer becomes a finding of the caller."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import platform
import subprocess
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from spaces.errors import InputError

from ..cluster.folders import ray_folder
from ..cluster.gpus import visible_gpus
from ..cluster.orphans import marked, no_orphans
from ..cluster.session import join, start_own
from ..environment.variables import pins, settle_environment

NODE_S = 120.0  # for one node: a fresh process that imports torch


def look(packages: list[str], probe: str, marker: str, data_root: str) -> dict[str, Any]:
    """Collects the facts of the node that it runs on. `packages`: names whose versions are wanted; `probe`: source text
    of `probe.py`; `marker`: file of the driver, beside which the node writes its own to prove shared storage;
    `data_root`: folder of the data sets."""
    versions: dict[str, str | None] = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    # Ray hides the GPUs from a task that asks for none.
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, env=environment)
    sees = os.path.exists(marker)
    if sees:
        with open(f"{marker}.{ray.get_runtime_context().get_node_id()}", "w") as file:
            file.write(platform.node())
    return {
        "host": platform.node(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "versions": versions,
        "torch": json.loads(done.stdout) if done.returncode == 0 else None,
        "torch_error": done.stderr.strip()[-500:],
        "sees_storage": sees,
        "sets": sorted(name for name in os.listdir(data_root) if name.startswith("data_3d_"))
        if os.path.isdir(data_root)
        else [],
    }


def survey(address: str, data_root: str, folder: str) -> dict[str, Any]:
    """Collects the facts of every node, in Ray's order, and the resources of the cluster; a node that does not answer
    has an `error` instead. `address`: cluster, or 'local' to start a Ray; `folder`: the storage that nodes should
    share. ConfigError if no cluster answers."""
    packages = list(pins())
    probe = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    marker = Path(folder, f".doctor-{uuid.uuid4().hex}")
    with ExitStack() as stack:
        if address == "local":
            folder_of_ray = stack.enter_context(ray_folder())
            with marked(stack.enter_context(no_orphans())):
                start_own(1, len(visible_gpus()), folder_of_ray)
        else:
            join(address)
        try:
            return _survey(packages, probe, marker, data_root)
        finally:
            ray.shutdown()
            for left in marker.parent.glob(f"{marker.name}*"):
                left.unlink(missing_ok=True)


def _survey(packages: list[str], probe: str, marker: Path, data_root: str) -> dict[str, Any]:
    marker.write_text("posesweep doctor")
    nodes, resources = [node for node in ray.nodes() if node["Alive"]], ray.cluster_resources()
    # No CPU is asked for: a cluster that is busy with a sweep answers too.
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = []
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked.append(task.options(scheduling_strategy=there).remote(packages, probe, str(marker), data_root))
    ray.wait(asked, num_returns=len(asked), timeout=NODE_S)
    rows = [_answer(node, one, marker) for node, one in zip(nodes, asked, strict=True)]
    return {"nodes": rows, "cpus": resources.get("CPU", 0.0), "gpus": resources.get("GPU", 0.0)}


def _answer(node: dict[str, Any], asked: Any, marker: Path) -> dict[str, Any]:
    facts = {"node": node["NodeID"][:8], "address": node["NodeManagerAddress"], "error": ""}
    try:
        found: dict[str, Any] = ray.get(asked, timeout=0)
    except Exception as error:
        reason = str(error).strip().splitlines() or [""]
        return {**facts, "error": f"{type(error).__name__}: {reason[-1]}"}
    is_shared = found.pop("sees_storage") and marker.with_name(f"{marker.name}.{node['NodeID']}").exists()
    return {**facts, **found, "shares_storage": is_shared}


if __name__ == "__main__":
    settle_environment()
    logging.disable(logging.WARNING)
    try:
        print(json.dumps(survey(*sys.argv[1:])))
    except InputError as error:
        sys.exit("; ".join(error.problems))
