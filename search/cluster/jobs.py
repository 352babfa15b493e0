"""`submit`: runs a sweep as a job of a running Ray cluster, from a clean copy of this repository."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from data.synthetic.provide import provide
from spaces.cli import BAD_INPUT, FAILED, INTERRUPTED, OK
from spaces.commands import shell_line
from spaces.errors import ConfigError
from spaces.files import write_text
from spaces.space import read_draft

from ..cli.command import Where
from ..cli.runs.submit import SPACE, SubmitRequest
from ..environment.store import environment as mlflow_environment
from ..environment.store import redacted
from ..environment.variables import RAY, ROOT
from ..record.plan import next_name
from ..record.provenance import code_revision
from .scratch import scratch_folder
from .token import tell_token

# Data sets, runs and environments stay where they are: nodes mount them.
LEFT_OUT = (".git", ".venv", "mlruns", "data/store")
SKIPPED = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
MOST_MIB = 50  # of code; Ray itself takes 500 and keeps them in the head's memory
AGENT_S = 30.0  # the part of Ray that starts jobs comes up after its dashboard
LOST_S = 60.0


def submit(request: SubmitRequest) -> int:
    """Submits the job and prints its log until it ends; returns the exit code of the sweep, 1 if the cluster is lost,
    130 after an interrupt, which leaves the job running. ConfigError if the cluster does not answer or takes no
    jobs."""
    logging.getLogger("ray").setLevel(logging.WARNING)
    for name in ("dashboard_sdk", "job.sdk"):
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.WARNING)
    tell_token(may_make=False)
    client = _client(request.address)
    if request.is_here:
        provide(request.data)
    with scratch_folder() as folder, _reserved(request) as request:
        _stage(folder, request.space)
        job = _start(client, request, str(folder))
    print(f"job {job} on {redacted(request.address)}: sweep {request.name} in {request.storage}", flush=True)
    there = Where(storage=request.storage)
    print(f"its leaderboard, once it has begun: {there.line('show', request.name)}", flush=True)
    if not request.is_here:
        print("the cluster is another machine: storage, data and a database are sought there, at these paths")
    if redacted(request.tracking_uri) != request.tracking_uri:
        remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD on its head instead"
        print(f"the password in the tracking URI can be read in the cluster's dashboard; {remedy}", file=sys.stderr)
    logs, stop = (_ray_command(verb, request.address, job) for verb in ("logs --follow", "stop"))
    if not request.waits:
        print(f"its log: {logs}")
        return OK
    try:
        if not asyncio.run(_follow(client, job)):
            print(f"the cluster no longer answers; once it does, the job's log: {logs}", file=sys.stderr)
            return FAILED
        code = _outcome(client, job)
        if code == BAD_INPUT:
            _give_back(request)
        return code
    except KeyboardInterrupt:
        print(f"job {job} goes on without us; to stop it: {stop}")
        print(f"interrupted; go on with: {logs}")
        return INTERRUPTED


@contextmanager
def _reserved(request: SubmitRequest) -> Iterator[SubmitRequest]:
    """Makes the folder of a sweep that the user has not named, so that no other takes its name before the job begins;
    yields the request, with the next free name where another was faster. The folder is removed if the block raises."""
    if request.is_named or not request.is_here:
        yield request
        return
    while True:
        folder = request.storage / request.name
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            request = request.renamed(next_name(request.storage, request.model))
    try:
        yield request
    except BaseException:
        _give_back(request)
        raise


def _give_back(request: SubmitRequest) -> None:
    """Removes the folder of a sweep that has not begun, so that its name is free again."""
    if not request.is_named and request.is_here:
        with suppress(OSError):  # it holds something
            (request.storage / request.name).rmdir()


def _ray_command(verb: str, address: str, job: str) -> str:
    # Ray's own commands send the token only when they are told to.
    mode = "RAY_AUTH_MODE=token " if os.environ.get("RAY_AUTH_MODE") == "token" else ""
    ray = str(Path(sys.executable).with_name("ray"))
    return mode + shell_line(ray, "job", *verb.split(), "--address", redacted(address), job)


def _client(address: str) -> JobSubmissionClient:
    # Ray prefers these to the address that it is given.
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        os.environ.pop(name, None)
    where = f"--address {redacted(address)}"
    try:
        return JobSubmissionClient(address)
    except ConnectionError:
        remedy = "start the cluster (ray start --head), or give the URL of its dashboard"
        raise ConfigError(where, [f"no dashboard answers there; {remedy}"]) from None
    except AuthenticationError:
        remedy = "export RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, as where the cluster was started"
        raise ConfigError(where, [f"the cluster wants another token than this one, or one at all; {remedy}"]) from None
    except (RuntimeError, OSError) as error:
        raise ConfigError(where, [f"answers, but not as a Ray dashboard: {str(error).splitlines()[0]}"]) from None


# --- what is sent


def _stage(folder: Path, space: Path | None) -> None:
    """Copies the repository in its present state, uncommitted changes included, and the space file to `folder`.
    ConfigError above MOST_MIB."""
    sizes: dict[str, int] = {}
    for name in _files():
        source, target = ROOT / name, folder / name
        sizes[name] = source.stat().st_size
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if sum(sizes.values()) > MOST_MIB * 2**20:
        largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:5]
        shown = ", ".join(f"{name} ({sizes[name] / 2**20:.0f} MiB)" for name in largest)
        problem = f"is more than {MOST_MIB} MiB to send; largest: {shown}; move them away or name them in .gitignore"
        raise ConfigError(str(ROOT), [problem])
    if space is not None:
        write_text(folder / SPACE, read_draft(space).text)  # what it includes may not be in the copy


def _files() -> Iterator[str]:
    line = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        names = done.stdout.split("\0") if done.returncode == 0 else []
    except (OSError, subprocess.TimeoutExpired):
        names = []
    if not names:  # an unpacked archive, or a machine without git
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    for name in names:
        is_left_out = any(name == part or name.startswith(f"{part}/") for part in LEFT_OUT)
        if name and not is_left_out and not set(Path(name).parts) & set(SKIPPED) and (ROOT / name).is_file():
            yield name


def _start(client: JobSubmissionClient, request: SubmitRequest, folder: str) -> str:
    variables = {
        **RAY,
        **mlflow_environment(),
        # Not on the line, which everybody prints.
        "MLFLOW_TRACKING_URI": request.tracking_uri,
        "POSESWEEP_HOME": str(ROOT),
        "POSESWEEP_REVISION": code_revision(),
    }
    deadline = time.monotonic() + AGENT_S
    while True:
        try:
            job: str = client.submit_job(
                entrypoint=shlex.join([request.python, *request.words]),
                runtime_env={"working_dir": folder, "env_vars": variables},
                metadata={"sweep": request.name},
            )
            return job
        except RuntimeError as error:
            if "No available agent" not in str(error):
                raise
            if time.monotonic() > deadline:
                remedy = "another cluster on this machine may hold its port: --dashboard-agent-listen-port of ray start"
                raise ConfigError(f"--address {redacted(request.address)}", [f"takes no jobs; {remedy}"]) from None
            time.sleep(1)


# --- how it goes


def _outcome(client: JobSubmissionClient, job: str) -> int:
    info = client.get_job_info(job)
    if info.status == JobStatus.SUCCEEDED:
        return OK
    if info.status == JobStatus.STOPPED:
        return INTERRUPTED
    if not info.driver_exit_code:  # it never came to the sweep, whose log would say why
        print(f"job {job} failed: {(info.message or 'for no reason told').strip()}", file=sys.stderr)
    return info.driver_exit_code if info.driver_exit_code in (BAD_INPUT, INTERRUPTED) else FAILED


async def _follow(client: JobSubmissionClient, job: str) -> bool:
    """Prints the job's log until the job has ended; a broken stream is resumed where it stopped. Returns False if the
    cluster does not answer for LOST_S seconds."""
    shown, lost_since = 0, time.monotonic()
    while True:
        seen = 0
        try:
            async for text in client.tail_job_logs(job):
                seen += len(text)
                print(text[max(0, len(text) - (seen - shown)) :] if seen > shown else "", end="", flush=True)
                shown, lost_since = max(shown, seen), time.monotonic()
            if client.get_job_status(job).is_terminal():
                return True
        except Exception:
            # Whatever broke the stream (the libraries below raise many kinds), the job goes on without it.
            if time.monotonic() - lost_since > LOST_S:
                return False
        await asyncio.sleep(1)
