"""`train`: trains one config under Ray Train, with its own journal and MLflow run."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.batches.samples import facts_of
from data.synthetic.provide import provide
from spaces.cli import FAILED, INTERRUPTED, OK
from spaces.errors import ConfigError
from spaces.schema import config_id, tree_of
from trainables.runs.demands import check_run
from trainables.runs.folder import RunFolder
from trainables.runs.train import state_to_resume, weights_to_start

from ..cli.runs.train import RayTrainRequest
from ..cluster.claims import Wish
from ..cluster.guard import watched
from ..cluster.session import ray_session
from ..cluster.sessions import RAY, clear_ray
from ..decisions.progress import now_text
from ..environment.store import redacted
from ..executors.faults import loss_of
from ..executors.group import train_group
from ..record import journal as journals
from ..record.journal import Journal
from ..record.lines import read_rows
from ..record.provenance import facts_of_run
from ..record.records import EndRow, EpochRow, Facts, OpenRow, SweepRow, TrialRow
from ..record.trial import Trial
from ..results.pictures import draw_best
from .place import Place, place_of, settle, spool_of, tell_all, tell_note


def train(request: RayTrainRequest) -> int:
    """Trains one config under Ray Train and tracks it as one MLflow run, which a resumed run continues; returns the
    exit code. ConfigError or DataError for invalid input."""
    run_request, config = request.run, request.run.config
    folder = RunFolder(run_request.out, config)
    state_to_resume(run_request, folder)
    weights_to_start(run_request)
    is_fresh = run_request.init is None and not folder.latest.exists()
    check_run(config, is_fresh=is_fresh, is_here=request.where.address is None)
    provide(config.data)
    data_facts = facts_of(config.data, tell=print)
    # Its folder is to `sync` what a sweep's is.
    where = dataclasses.replace(request.where, storage=run_request.out.parent)
    place = place_of(run_request.out, where)
    folder.begin()
    journal = _journal_of_run(place, request, facts_of_run(data_facts))
    if journal.trials[0].state == "finished":
        print(f"{run_request.out} holds the finished run: best weights in {folder.best}")
        journal.unlock()
        return OK
    spool = spool_of(journal.path, config.loop.select, place)
    spool.start()
    print(
        f"config {config_id(config)}: {config.model} on {config.data.name}, output {run_request.out}, "
        f"MLflow at {redacted(place.tracking_uri)}",
        flush=True,
    )
    journal.unlock()
    reason, session = _train(request, place, journal.path)
    journal = Journal(journal.path)
    journal.lock()
    trial = journal.trials[0]
    if reason and reason != "interrupted":
        journal.append(EndRow(trial=0, state="failed", epoch=trial.last_epoch, reason=reason))
    has_pictures = not reason and bool(trial.epochs) and draw_best(config, folder.path, journal.sweep.name)
    # A traceback is the reason of the trial; of the run it is an error.
    journal.close(reason if reason == "interrupted" else "error" if reason else "done", has_pictures=has_pictures)
    journal.unlock()
    code = _conclude_run(request, trial, reason, place, settle(spool, place))
    clear_ray(session, place.folder / RAY, code)
    return code


def _journal_of_run(place: Place, request: RayTrainRequest, facts: Facts) -> Journal:
    config = request.run.config
    if journals.has_begun(place.folder):
        journal = Journal(place.folder / journals.FILE)
        journal.lock()
        journal.append(OpenRow())
    else:
        sweep = SweepRow(
            id=uuid.uuid4().hex,
            name=f"train-{config_id(config)}",
            model=config.model,
            single=True,
            plan={"objective": config.loop.select},
            base=tree_of(config),
            facts=facts,
        )
        journal = journals.create(place.folder, sweep)
    if not journal.trials:  # it may have died between its two first records
        journal.append(TrialRow(trial=0, point={}, config_id=config_id(config)))
    return journal


def _train(request: RayTrainRequest, place: Place, journal: Path) -> tuple[str, Path | None]:
    """Trains the config in a worker group. Returns '' on success, 'interrupted', what the machine refused (one line),
    or the traceback of an error of the run; and the session folder of our own Ray."""
    session = None
    try:
        wish = Wish(
            who=f"train {config_id(request.run.config)}",
            workers=request.workers,
            cpus=request.cpus,
            gpus=request.gpus,
            at_a_time=1,
            is_sweep=False,
        )

        def without_ray(fault: str) -> int:
            return _stopped(request, place, fault)

        ours = ray_session(place.where.address, wish)
        with ours as (demand, _, session), _following(journal), watched(without_ray):
            train_group(request.run, journal, demand)
    except KeyboardInterrupt:
        return "interrupted", session
    except ConfigError:
        raise
    except Exception as error:
        loss = loss_of(error)
        return redacted(traceback.format_exc()) if loss is None else loss.reason, session
    return "", session


@contextmanager
def _following(journal: Path) -> Iterator[None]:
    """Prints every epoch that the worker records in the journal, as it arrives, while the block runs."""
    over, started, seen = threading.Event(), time.monotonic(), os.stat(journal).st_size

    def follow() -> None:
        nonlocal seen
        while True:
            is_last = over.wait(0.5)
            for row, size in read_rows(journal, seen):
                seen += size
                if isinstance(row, EpochRow):
                    shown = ", ".join(f"{name} {value:.2f}" for name, value in row.metrics.items())
                    print(
                        f"{now_text(started)}  epoch {row.epoch}: loss {row.loss:.6f}, {shown}, {row.seconds:.1f} s",
                        flush=True,
                    )
            if is_last:
                return

    thread = threading.Thread(target=follow, name="epoch-lines")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _conclude_run(request: RayTrainRequest, trial: Trial, reason: str, place: Place, unsent: list[str]) -> int:
    config, folder = request.run.config, RunFolder(request.run.out, request.run.config)
    held = folder.path / "config.yaml"
    if reason == "interrupted":
        tell_all(unsent)
        tell_note(place, "train")
        print(f"interrupted; go on with: {_line_again(request, place)}")
        return INTERRUPTED
    if reason or trial.state == "diverged":
        tell_all(unsent)
        if reason and "\n" not in reason:
            return _stopped(request, place, reason)
        print(reason or f"diverged: {trial.reason}", file=sys.stderr)
        return FAILED
    print(
        f"best: {config.loop.select} {trial.score(config.loop.select):.2f} at epoch "
        f"{trial.best_epoch(config.loop.select)}, {folder.best}"
    )
    print(f"score it: {place.where.line('evaluate', held, '--weights', folder.best)}", flush=True)
    tell_all(unsent)
    return OK


def _stopped(request: RayTrainRequest, place: Place, fault: str) -> int:
    """Prints that the machine stopped the run (`fault`, one line) and how to go on; returns the exit code."""
    print(f"the run stopped: {fault}", file=sys.stderr)
    tell_note(place, "train")
    print(f"once that is mended, go on with: {_line_again(request, place)}", file=sys.stderr)
    return FAILED


def _line_again(request: RayTrainRequest, place: Place) -> str:
    """Formats the command that continues the run."""
    folder = RunFolder(request.run.out, request.run.config)
    begun = ("--init", request.run.init) if request.run.init else ()
    if request.run.resume and not folder.latest.exists():
        begun = ("--resume", request.run.resume)
    return place.where.line("train", folder.path / "config.yaml", *request.words, *begun, "--out", folder.path)
