"""Checks of `doctor` on the nodes of a Ray cluster: versions, torch, shared storage, data sets."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..cli.upkeep.doctor import DoctorRequest
from ..cluster.token import settle_token
from ..environment.variables import auth, pins
from .findings import INSTALL, Finding, device_findings, last_words, public_version, run_line

NODES_S = 300.0


def cluster_findings(request: DoctorRequest, address: str) -> Iterator[Finding]:
    try:
        request.storage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Finding("cluster", "broken", f"{request.storage}: {error.strerror}", "give another --storage")
        return
    if told := settle_token(may_make=address == "local"):
        yield Finding("token", "ok", told)
    line = [sys.executable, "-m", "search.doctor.nodes", address, str(request.data_root), str(request.storage)]
    # Ray reads the mode while it is imported, and the token may just have been made.
    done = run_line(line, NODES_S, **auth())
    if done.returncode:
        remedy = "is it running (`ray status`), is its token here (RAY_AUTH_TOKEN), are Ray and Python the same there?"
        yield Finding("cluster", "broken", f"{address}: {last_words(done)}", remedy)
        return
    found = json.loads(done.stdout.splitlines()[-1])
    size = f"{len(found['nodes'])} nodes, {found['cpus']:g} CPU, {found['gpus']:g} GPU"
    yield Finding("cluster", "ok", f"{address}: {size}")
    for row in found["nodes"]:
        yield from _node(row, request)


def _node(row: Mapping[str, Any], request: DoctorRequest) -> Iterator[Finding]:
    subject = f"node {row['node']} at {row['address']}"
    if row["error"]:
        yield Finding(subject, "broken", f"does not run a task: {row['error']}", "look at its Ray log, start it again")
        return
    versions = {"python": row["python"], **row["versions"]}
    here = {"python": platform.python_version(), **pins()}
    wrong = [
        f"{name} {found or 'is missing'} instead of {here[name]}"
        for name, found in versions.items()
        if public_version(found or "") != here[name]
    ]
    if wrong:
        yield Finding(subject, "broken", "; ".join(wrong), "the same versions on every node: requirements.txt")
    if shlex.quote(row["executable"]) != row["executable"]:
        remedy = "keep the environment below folders without blanks there, and start its Ray from it"
        yield Finding(subject, "broken", f"Ray starts no trials with an interpreter at {row['executable']}", remedy)
    if row["torch"] is None:
        yield Finding(subject, "broken", f"torch cannot be used: {row['torch_error']}", INSTALL)
    else:
        yield from device_findings(subject, row["torch"])
    if not row["shares_storage"]:
        remedy = "mount one folder at one path on every node, or keep checkpoints at a URI: --storage s3://..."
        yield Finding(subject, "broken", f"does not share {request.storage} with this machine", remedy)
    lacking = [path.name for path in sorted(request.data_root.glob("data_3d_*.npz")) if path.name not in row["sets"]]
    if lacking:
        remedy = "mount or copy the data to the same path there, or give a shared --data-root"
        yield Finding(subject, "broken", f"lacks {', '.join(lacking)} in {request.data_root}", remedy)
    if not lacking and row["shares_storage"]:
        yield Finding(subject, "ok", f"shares {request.storage} and has the data sets of {request.data_root}")
