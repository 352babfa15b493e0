"""`doctor`: what is installed, what this machine and a cluster have, whether store and data are there."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spaces.cli import FAILED, OK
from spaces.errors import ConfigError

from ..cli.doctor import DoctorRequest
from ..environment.store import redacted, resolve_uri, sqlite_path
from ..environment.variables import ROOT, pins

LEAST_PYTHON = (3, 11)
GIB = 2**30
# The published GraFormer leaves 10 MB a trial: weights, best weights, and Adam's two moments.
ROOMY_GIB, TIGHT_GIB = 1.0, 0.1
# File systems of other machines, on which sqlite's locks do not hold (sqlite.org/lockingv3.html, section 6.0).
REMOTE_DISKS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "lustre", "ceph")
PROBE_S, STORE_S, DATA_S = 120.0, 120.0, 600.0  # processes that import torch, open a store, read every data file
NODES_S = 300.0
INSTALL = "make .venv/.ready, or .venv/bin/python -m pip install -r requirements.txt"

State = Literal["ok", "warning", "broken"]
SIGNS: Mapping[State, str] = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `remedy`: what to do about it, '' when nothing."""

    subject: str
    state: State
    found: str
    remedy: str = ""


def doctor(request: DoctorRequest) -> int:
    """Prints every finding; 1 when something is broken."""
    findings = []
    for finding in _findings(request):
        findings.append(finding)
        if not request.as_json:
            print(_text(finding), flush=True)
    broken = [finding for finding in findings if finding.state == "broken"]
    if request.as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"ok": not broken, "findings": rows}, indent=1))
    return FAILED if broken else OK


def _text(finding: Finding) -> str:
    line = f"{SIGNS[finding.state]}  {finding.subject}: {finding.found}"
    return f"{line}\n         -> {finding.remedy}" if finding.remedy else line


def _findings(request: DoctorRequest) -> Iterator[Finding]:
    yield _python()
    yield _environment()
    yield from _packages()
    yield from _torch()
    yield _threads()
    yield from _store(request.tracking_uri)
    yield from _disk(request.storage)
    yield from _data(request.data_root)
    if request.address is not None:
        yield from _cluster(request, request.address)


# --- this machine


def _python() -> Finding:
    is_new = sys.version_info >= LEAST_PYTHON
    least = ".".join(map(str, LEAST_PYTHON))
    remedy = "" if is_new else f"install Python {least} or later, then: make PYTHON=python{least} .venv/.ready"
    return Finding("python", "ok" if is_new else "broken", f"{platform.python_version()}, {sys.executable}", remedy)


def _environment() -> Finding:
    own = ROOT / ".venv"
    if Path(sys.prefix).resolve() == own.resolve():
        return Finding("environment", "ok", str(own))
    return Finding("environment", "warning", f"{sys.prefix}, not {own}", f"start with {own / 'bin' / 'python'}")


def _packages() -> Iterator[Finding]:
    wrong = []
    for name, pin in pins().items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "nothing"
        if _public(found) != pin:
            said = f"{found} is installed, requirements.txt pins {pin}"
            wrong.append(Finding(f"package {name}", "broken", said, INSTALL))
    yield from wrong or [Finding("packages", "ok", ", ".join(f"{name} {pin}" for name, pin in pins().items()))]


def _public(version: str) -> str:
    """Without the local part: 2.13.0+cpu is one build of 2.13.0."""
    return version.partition("+")[0]


def _torch() -> Iterator[Finding]:
    done = _run([sys.executable, "-m", "search.cluster.probe"], PROBE_S)
    if done.returncode:
        yield Finding("devices", "broken", f"torch cannot be used: {_last(done)}", INSTALL)
        return
    yield from _devices("devices", json.loads(done.stdout.splitlines()[-1]))


def _devices(subject: str, torch: Mapping[str, Any]) -> Iterator[Finding]:
    names = []
    for row in torch["devices"]:
        names.append(f"{row['device']} ({row['name']}, {row['memory_gib']:.0f} GiB)")
        if not row["is_right"]:
            yield Finding(subject, "broken", f"{row['device']} multiplies wrongly", "take it out of service")
    built = "without CUDA" if torch["cuda"] is None else f"for CUDA {torch['cuda']}"
    found = f"{', '.join(names)}; torch {torch['torch']} {built}"
    if len(names) == 1 and shutil.which("nvidia-smi"):
        remedy = "look at nvidia-smi and CUDA_VISIBLE_DEVICES; the CPU build of torch sees no GPU"
        yield Finding(subject, "warning", f"{found}, but this machine has NVIDIA's tools", remedy)
        return
    yield Finding(subject, "ok", found)


def _threads() -> Finding:
    cores, said = len(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said) > 1:
        remedy = "unset it: these networks are thousands of tiny operations, ten times slower with threads that wait"
        return Finding("threads", "warning", f"{cores} CPU cores, OMP_NUM_THREADS={said}", remedy)
    return Finding("threads", "ok", f"{cores} CPU cores, 1 thread a trial")


def _store(option: str | None) -> Iterator[Finding]:
    try:
        uri = resolve_uri(option, ROOT)
    except ConfigError as error:
        yield Finding("store", "broken", str(error), "set it right or unset it")
        return
    shown, database = redacted(uri), sqlite_path(uri)
    if database is not None:
        if not database.exists():
            yield Finding("store", "ok", f"{shown} is not there yet; the first sweep makes it")
            return
        if (kind := _file_system(database)) in REMOTE_DISKS:
            remedy = "keep it on a local disk, or start a server there: python -m search ui --serve"
            yield Finding("store", "warning", f"{database} lies on {kind}, where its locks do not hold", remedy)
    code = (
        "import os; from search.tracking import MlflowClient; "
        "MlflowClient(os.environ['MLFLOW_TRACKING_URI']).search_experiments(max_results=1)"
    )
    done = _run([sys.executable, "-W", "ignore", "-c", code], STORE_S, MLFLOW_TRACKING_URI=uri)
    if done.returncode == 0:
        yield Finding("store", "ok", f"{shown} answers")
    elif database is not None:
        remedy = "restore it from a backup; of another MLflow version: mlflow db upgrade URI"
        yield Finding("store", "broken", f"{shown} cannot be read: {_last(done)}", remedy)
    else:
        remedy = "start it, or look at the address; sweeps go on without it, and `sync NAME` sends what it missed"
        yield Finding("store", "broken", f"{shown} does not answer: {_last(done)}", remedy)


def _file_system(path: Path) -> str:
    """The kind of file system that a path lies on; '' where the system does not tell."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    mounts = {fields[1]: fields[2] for fields in (line.split() for line in lines) if len(fields) > 2}
    for folder in (path.resolve(), *path.resolve().parents):
        if str(folder) in mounts:
            return mounts[str(folder)]
    return ""


def _disk(storage: Path) -> Iterator[Finding]:
    for folder in dict.fromkeys((storage, ROOT / "mlruns")):
        above = next(one for one in (folder, *folder.parents) if one.exists())
        free = shutil.disk_usage(above).free / GIB
        found = f"{free:.1f} GiB free for {folder}"
        if not os.access(above, os.W_OK | os.X_OK):
            yield Finding(
                "disk", "broken", f"{folder} cannot be written", "give another --storage or change its rights"
            )
        elif free < ROOMY_GIB:
            remedy = "delete sweeps that are no longer needed, or give another --storage"
            yield Finding("disk", "broken" if free < TIGHT_GIB else "warning", found, remedy)
        else:
            yield Finding("disk", "ok", found)


def _data(root: Path) -> Iterator[Finding]:
    done = _run([sys.executable, "-m", "data", "describe", "--root", str(root), "--json"], DATA_S)
    if done.returncode:
        remedy = f"python -m data synth --root {root}; for your own files: python -m data check h36m {root}"
        yield Finding("data", "broken", _last(done), remedy)
        return
    found = json.loads(done.stdout)
    for row in found["sets"]:
        size = f"{len(row['subjects'])} subjects, {row['clips']} clips, {row['frames']:,} frames, 2D {row['keypoints']}"
        yield Finding(f"data set {row['set']}", "ok", f"{size}; in {root}")
    missing: dict[str, list[str]] = {}
    for part in found["splits"]:
        missing.setdefault(part["split"], []).extend(part["missing"])
    for split, subjects in missing.items():
        if subjects:
            remedy = "add their files, or name the subjects: --set data.train_subjects=... (python -m data describe)"
            yield Finding(f"split {split}", "warning", f"lacks {', '.join(dict.fromkeys(subjects))}", remedy)
        else:
            yield Finding(f"split {split}", "ok", "complete")


# --- a cluster


def _cluster(request: DoctorRequest, address: str) -> Iterator[Finding]:
    try:
        request.storage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Finding("cluster", "broken", f"{request.storage}: {error.strerror}", "give another --storage")
        return
    line = [sys.executable, "-m", "search.cluster.nodes", address, str(request.data_root), str(request.storage)]
    done = _run(line, NODES_S)
    if done.returncode:
        remedy = "is it running (`ray status`), is its token here (RAY_AUTH_TOKEN), are Ray and Python the same there?"
        yield Finding("cluster", "broken", f"{address}: {_last(done)}", remedy)
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
        if _public(found or "") != here[name]
    ]
    if wrong:
        yield Finding(subject, "broken", "; ".join(wrong), "the same versions on every node: requirements.txt")
    if row["torch"] is None:
        yield Finding(subject, "broken", f"torch cannot be used: {row['torch_error']}", INSTALL)
    else:
        yield from _devices(subject, row["torch"])
    if not row["shares_storage"]:
        remedy = "mount one folder at one path on every node, or keep checkpoints at a URI: --storage s3://..."
        yield Finding(subject, "broken", f"does not share {request.storage} with this machine", remedy)
    lacking = [path.name for path in sorted(request.data_root.glob("data_3d_*.npz")) if path.name not in row["sets"]]
    if lacking:
        remedy = "mount or copy the data to the same path there, or give a shared --data-root"
        yield Finding(subject, "broken", f"lacks {', '.join(lacking)} in {request.data_root}", remedy)
    if not lacking and row["shares_storage"]:
        yield Finding(subject, "ok", f"shares {request.storage} and has the data sets of {request.data_root}")


def _run(line: list[str], limit_s: float, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    try:
        return subprocess.run(
            line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(line, 1, "", f"no answer in {limit_s:g} s")


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a program said, which is what went wrong."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return redacted(lines[-1])[:300] if lines else f"exit code {done.returncode}"
