"""`train`: trains one config under Ray Train, with its own journal and MLflow run."""

from __future__ import annotations

import dataclasses
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from data.batches.samples import facts_of
from data.synthetic.provide import provide
from spaces.cli import FAILED, INTERRUPTED, OK
from spaces.console import visible
from spaces.errors import ConfigError
from spaces.loading import all_kept
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
from ..record.provenance import facts_of_run
from ..record.records import EndRow, Facts, OpenRow, SweepRow, TrialRow
from ..record.trial import Trial
from ..results.pictures import draw_best
from ..terminal.modes import mode_of
from ..terminal.screen import Screen
from ..terminal.single import SingleRun
from .ending import LEAVING
from .place import DRAIN_S, Place, place_of, settle, spool_of, tell_all, tell_note, unsent_of
from .reporter import FIRST

INTERRUPT = "interrupted"


def train(request: RayTrainRequest) -> int:
    """Trains one config under Ray Train and tracks it as one MLflow run, which a resumed run continues; returns the
    exit code. ConfigError or DataError for invalid input."""
    started = time.monotonic()
    with Screen(mode_of(request.progress), lambda: f"{now_text(started)}  ") as screen:

        def tell(line: str) -> None:
            # Beside a panel an epoch's line may be cut: the run's log.tsv has all of it.
            screen.tell(f"{now_text(started)}  {visible(line)}", is_cut=line.startswith("epoch "))

        return _train_shown(request, screen, tell)


def _train_shown(request: RayTrainRequest, screen: Screen, tell: Callable[[str], None]) -> int:
    run_request, config = request.run, request.run.config
    folder = RunFolder(run_request.out, config)
    state_to_resume(run_request, folder)
    weights_to_start(run_request)
    is_fresh = run_request.init is None and not folder.latest.exists()
    check_run(config, is_fresh=is_fresh, is_here=request.where.address is None)
    with screen.step(f"reading {config.data.name}"):
        provide(config.data, tell)
        data_facts = facts_of(config.data, tell=tell)
    # Its folder is to `sync` what a sweep's is.
    where = dataclasses.replace(request.where, storage=run_request.out.parent)
    place = place_of(run_request.out, where)
    folder.begin()
    journal = _journal_of_run(place, request, facts_of_run(data_facts))
    if journal.trials[0].state == "finished":
        journal.unlock()
        screen.close()
        print(f"{run_request.out} holds the finished run: best weights in {folder.best}")
        return OK
    spool = spool_of(journal.path, config.loop.select, place)
    spool.start()
    tell(
        f"config {config_id(config)}: {config.model} on {config.data.name}, output {run_request.out}, "
        f"MLflow at {redacted(place.tracking_uri)}"
    )
    journal.unlock()
    trained = _train(request, place, journal.path, screen, tell)
    with trained.ours as ours:
        journal = Journal(journal.path)
        journal.lock()
        trial, reason = journal.trials[0], trained.reason
        if reason and reason != INTERRUPT:
            journal.append(EndRow(trial=0, state="failed", epoch=trial.last_epoch, reason=reason))
        with screen.step("drawing pictures of the best weights"):
            has_pictures = not reason and bool(trial.epochs) and draw_best(config, folder.path, journal.sweep.name)
        # A traceback is the reason of the trial; of the run it is an error.
        journal.close(reason if reason == INTERRUPT else "error" if reason else "done", has_pictures=has_pictures)
        journal.unlock()
        screen.close()
        is_good = not reason and trial.state != "diverged"
        if is_good:
            _tell_best(request, trial, place)
        try:
            with all_kept(), screen.behind(LEAVING):
                spool.finish(DRAIN_S)
                ours.close()
                unsent = settle(spool, place)
        except KeyboardInterrupt:
            spool.stop(0.0)
            tell_all(unsent_of(spool, place))
            return INTERRUPTED if is_good and spool.pending() else _interrupted(request, place)
    code = _conclude_run(request, trial, reason, place, unsent)
    clear_ray(trained.session, place.folder / RAY, code)
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


@dataclass(frozen=True, slots=True)
class _Trained:
    """What became of a run. `reason`: '' on success, INTERRUPT, what the machine refused (one line), or the traceback
    of an error of the run; `session`: session folder of our own Ray; `ours`: closes that Ray, if it still runs."""

    reason: str
    session: Path | None
    ours: ExitStack


def _train(
    request: RayTrainRequest, place: Place, journal: Path, screen: Screen, tell: Callable[[str], None]
) -> _Trained:
    """Trains the config in a worker group. After a success Ray is still there, as nobody need wait for its end; else
    no worker writes any more."""
    session, config = None, request.run.config
    try:
        wish = Wish(
            who=f"train {config_id(config)}",
            workers=request.workers,
            cpus=request.cpus,
            gpus=request.gpus,
            at_a_time=1,
            is_sweep=False,
        )

        def without_ray(fault: str) -> int:
            screen.close()
            return _stopped(request, place, fault)

        with ExitStack() as ours:
            with screen.step("starting Ray" if place.where.address is None else "joining the Ray cluster"):
                demand, _, session = ours.enter_context(ray_session(place.where.address, wish))
            workers = f"{request.workers} workers" if request.workers > 1 else "1 worker"
            with ExitStack() as waiting:
                first = waiting.enter_context(screen.step(FIRST))
                first.is_void = True  # until there is one

                def tell_epoch(line: str) -> None:
                    first.is_void = False
                    waiting.close()
                    tell(line)

                run = SingleRun(journal, f"{config.model} on {config.data.name}, {workers}", tell_epoch)
                screen.follow(run.status)
                with run, watched(without_ray):
                    train_group(request.run, journal, demand)
            return _Trained("", session, ours.pop_all())
    except KeyboardInterrupt:
        return _Trained(INTERRUPT, session, ExitStack())
    except ConfigError:
        raise
    except Exception as error:
        loss = loss_of(error)
        return _Trained(redacted(traceback.format_exc()) if loss is None else loss.reason, session, ExitStack())


def _tell_best(request: RayTrainRequest, trial: Trial, place: Place) -> None:
    """Prints the best epoch of a run and the command that scores its weights."""
    objective, folder = request.run.config.loop.select, RunFolder(request.run.out, request.run.config)
    print(f"best: {objective} {trial.score(objective):.2f} at epoch {trial.best_epoch(objective)}, {folder.best}")
    held = folder.path / "config.yaml"
    print(f"score it: {place.where.line('evaluate', held, '--weights', folder.best)}", flush=True)


def _conclude_run(request: RayTrainRequest, trial: Trial, reason: str, place: Place, unsent: list[str]) -> int:
    """Prints the lines behind the result of a run; returns the exit code."""
    tell_all(unsent)
    if reason == INTERRUPT:
        return _interrupted(request, place)
    if reason and "\n" not in reason:
        return _stopped(request, place, reason)
    if reason or trial.state == "diverged":
        print(reason or f"diverged: {trial.reason}", file=sys.stderr)
        return FAILED
    return OK


def _interrupted(request: RayTrainRequest, place: Place) -> int:
    """Prints the command that continues the run; returns the exit code of an interrupt."""
    tell_note(place, "train")
    print(f"interrupted; go on with: {_line_again(request, place)}")
    return INTERRUPTED


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
