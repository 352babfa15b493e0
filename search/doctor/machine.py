"""Checks of `doctor` on this machine: Python, packages, devices, tracking store, disk, data."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from spaces.commands import command, synth_line
from spaces.errors import ConfigError
from spaces.files import GIB
from trainables.devices.cpus import num_cpus
from trainables.kernels.library import library

from ..cli.upkeep.doctor import DoctorRequest
from ..cluster.folders import folder_problems, is_too_long, named_folder
from ..environment.store import redacted, resolve_uri, sqlite_path, store_problems
from ..environment.variables import ROOT, home, pins
from .findings import INSTALL, Finding, device_findings, last_words, public_version, run_line

LEAST_PYTHON = (3, 11)
# The published GraFormer leaves 10 MB a trial: weights, best weights, and Adam's two moments.
ROOMY_GIB, TIGHT_GIB = 1.0, 0.1
# File systems of other machines, on which sqlite's locks do not hold (sqlite.org/lockingv3.html, section 6.0).
REMOTE_DISKS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "lustre", "ceph")
PROBE_S, STORE_S, DATA_S = 120.0, 120.0, 600.0  # processes that import torch, open a store, read every data file


def machine_findings(request: DoctorRequest) -> Iterator[Finding]:
    """Checks this machine: Python, environment, packages and devices, then the tracking store, disk, checkpoint URI and
    data of the request; yields one finding or more per check."""
    yield _python()
    yield _environment()
    yield from _packages()
    yield from _torch()
    yield _threads()
    yield _kernels()
    yield from _ray()
    yield from _store(request)
    yield from _disk(request.storage)
    yield from _checkpoints(request.checkpoints)
    yield from _data(request.data_root)


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
        if public_version(found) != pin:
            said = f"{found} is installed, requirements.txt pins {pin}"
            wrong.append(Finding(f"package {name}", "broken", said, INSTALL))
    yield from wrong or [Finding("packages", "ok", ", ".join(f"{name} {pin}" for name, pin in pins().items()))]


def _torch() -> Iterator[Finding]:
    done = run_line([sys.executable, "-m", "search.doctor.probe"], PROBE_S)
    if done.returncode:
        yield Finding("devices", "broken", f"torch cannot be used: {last_words(done)}", INSTALL)
        return
    yield from device_findings("devices", json.loads(done.stdout.splitlines()[-1]))


def _threads() -> Finding:
    cores, said = num_cpus(), os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said) > 1:
        remedy = "unset it: these networks are thousands of tiny operations, ten times slower with threads that wait"
        return Finding("threads", "warning", f"{cores} CPU cores, OMP_NUM_THREADS={said}", remedy)
    return Finding("threads", "ok", f"{cores} CPU cores, 1 thread a trial")


def _kernels() -> Finding:
    """Compiles the native kernels where no run did so before."""
    if library() is not None:
        return Finding("kernels", "ok", "training on the CPU uses native kernels")
    remedy = "install gcc or clang, or name a C compiler in CC"
    return Finding(
        "kernels", "warning", "no C compiler works here: training on the CPU takes up to 1.6 times as long", remedy
    )


def _ray() -> Iterator[Finding]:
    """Checks the folder in which a Ray of our own keeps its sockets and logs."""
    problems = folder_problems()
    for problem in problems:
        found, _, remedy = problem.rpartition("; ")
        yield Finding("ray", "broken", found, remedy)
    name, folder = named_folder()
    if is_too_long(folder):
        found = f"{name}={folder} is too long for the paths of Ray's sockets; sweeps use a private folder below /tmp"
        yield Finding("ray", "warning", found, "set RAY_TMPDIR to a short path to have Ray's logs elsewhere")
    elif not problems:
        yield Finding("ray", "ok", f"its sockets and logs go to {folder / 'ray'}")


def _store(request: DoctorRequest) -> Iterator[Finding]:
    try:
        uri = resolve_uri(request.where.tracking_uri, home())
    except ConfigError as error:
        yield Finding("store", "broken", str(error), "set it right or unset it")
        return
    shown, database = redacted(uri), sqlite_path(uri)
    if problems := store_problems(uri):
        found, _, remedy = problems[0].rpartition("; ")
        yield Finding("store", "broken", found, remedy)
        return
    if database is not None:
        if not database.exists():
            yield Finding("store", "ok", f"{shown} is not there yet; the first sweep makes it")
            return
        if (kind := _file_system(database)) in REMOTE_DISKS:
            remedy = f"keep it on a local disk, or start a server there: {command('search', 'ui', '--serve')}"
            yield Finding("store", "warning", f"{database} lies on {kind}, where its locks do not hold", remedy)
    code = (
        "import os; from search.tracking.mlflow_tracker import MlflowClient; "
        "MlflowClient(os.environ['MLFLOW_TRACKING_URI']).search_experiments(max_results=1)"
    )
    done = run_line([sys.executable, "-W", "ignore", "-c", code], STORE_S, MLFLOW_TRACKING_URI=uri)
    if done.returncode == 0:
        yield Finding("store", "ok", f"{shown} answers")
    elif database is not None:
        remedy = "restore it from a backup; of another MLflow version: mlflow db upgrade URI"
        yield Finding("store", "broken", f"{shown} cannot be read: {last_words(done)}", remedy)
    else:
        line = request.where.line_told("sync", "NAME")
        remedy = f"start it, or look at the address; sweeps go on without it, and what it missed is sent by: {line}"
        yield Finding("store", "broken", f"{shown} does not answer: {last_words(done)}", remedy)


def _file_system(path: Path) -> str:
    """Returns the type of the file system of a path, from /proc/mounts; '' if it is unknown."""
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
    for folder in dict.fromkeys((storage, home() / "mlruns")):
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


def _checkpoints(uri: str) -> Iterator[Finding]:
    if not uri:
        return
    code = "import sys; from search.executors.mirror import check_store; check_store(sys.argv[1])"
    done = run_line([sys.executable, "-c", code, uri], STORE_S)
    if done.returncode:
        remedy = "look at the address, and at the rights of this account there"
        yield Finding("checkpoints", "broken", f"{redacted(uri)} cannot be written: {last_words(done)}", remedy)
    else:
        yield Finding("checkpoints", "ok", f"{redacted(uri)} can be written")


def _data(root: Path) -> Iterator[Finding]:
    done = run_line([sys.executable, "-m", "data", "describe", "--root", str(root), "--json"], DATA_S)
    if done.returncode:
        remedy = f"{synth_line(root)}; for your own files: {command('data', 'check h36m', root)}"
        yield Finding("data", "broken", last_words(done), remedy)
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
            listed = command("data", "describe", "--root", root)
            remedy = f"add their files, or name the subjects: --set data.train_subjects=... ({listed})"
            yield Finding(f"split {split}", "warning", f"lacks {', '.join(dict.fromkeys(subjects))}", remedy)
        else:
            yield Finding(f"split {split}", "ok", "complete")
