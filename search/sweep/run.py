"""Runs a sweep under Ray Tune from its journal: a new sweep, or the rest of an interrupted one, in the same way."""

from __future__ import annotations

import dataclasses
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import ray
from ray import tune

from spaces.errors import ConfigError, one_line
from spaces.loading import named
from trainables.config import config_from

from ..cluster.claims import Demand, Wish
from ..cluster.guard import watched
from ..cluster.scratch import scratch_folder
from ..cluster.session import SHARE, SLOT, ray_session
from ..cluster.sessions import RAY, clear_ray
from ..decisions.budget import Budget, spent_before
from ..decisions.conductor import Conductor
from ..decisions.forecast import Forecast
from ..decisions.task import Task
from ..environment.store import redacted
from ..executors.mirror import bring
from ..executors.solo import train_trial
from ..executors.workers import forks
from ..record import journal as journals
from ..record.journal import Journal, trial_folder
from ..record.plan import Plan, begun_by, next_name
from ..record.records import (
    KEEP_ALL,
    NO_LIMITS,
    EndRow,
    EpochRow,
    Facts,
    OpenRow,
    SessionRow,
    TrialEvent,
)
from ..record.trial import Trial
from ..record.watcher import SILENT, Watcher
from ..results.retention import Retention
from ..tracking.studies.writer import StudyWriter
from ..tracking.tensorboard.boards import Boards
from .ending import DONE, Ahead, end_sweep
from .first_words import limit_notes, population_notes, shortened
from .interrupts import collected_interrupts
from .last_words import End, interrupted
from .place import Place, spool_of
from .reporter import Reporter
from .requests import Desk
from .tune import JournalScheduler, LossCallback, PointSearcher, Reins, SweepStopper, plain_workers

SENDS_AFTER_S = 8.0  # MLflow takes seconds to load, while the processes of the first trials start


def begin(plan: Plan, facts: Facts, place: Place, *, is_named: bool = True) -> Journal:
    """Creates the journal of a new sweep and locks it. ConfigError if the folder holds a sweep already; one that the
    user did not name takes the next free name instead: another may have begun since its own was chosen."""
    storage = place.folder.parent
    while True:
        try:
            return journals.create(storage / plan.name, begun_by(plan, uuid.uuid4().hex, facts))
        except ConfigError:
            if is_named:
                raise
        plan = dataclasses.replace(plan, name=next_name(storage, plan.space.model))


def reopen(
    place: Place, limits: OpenRow = NO_LIMITS, enlarge: Callable[[Journal], None] = lambda journal: None
) -> Journal:
    """Locks the journal of an existing sweep and records the restart. `limits`: the record of it, with new
    limits or without; `enlarge`: is called with the locked journal. ConfigError if another process holds the
    journal."""
    journal = Journal(place.folder / journals.FILE)
    journal.lock()
    journal.append(limits)
    enlarge(journal)
    return journal


def run(
    plan: Plan, place: Place, open_journal: Callable[[], Journal], reporter: Reporter, watcher: Watcher = SILENT
) -> int:
    """Trains the remaining trials of a sweep, prints its leaderboard, or for a confirmation the mean over the seeds,
    and returns the exit code.

    `open_journal`: creates or opens the locked journal, whose folder and name then count; it is called only once Ray is
    running and has room for a trial. `reporter`: shows what happens; `watcher`: is told of the journal, its records and
    the last words."""

    def opened() -> Journal:
        nonlocal place
        journal = open_journal()
        place = dataclasses.replace(place, folder=journal.path.parent)
        return journal

    try:
        return _run(plan, place, opened, reporter, watcher)
    except KeyboardInterrupt:
        reporter.leave_terminal()
        # A second Ctrl-C, or one while MLflow is waited for. Without a sweep on record, the same line starts it.
        if journals.birth(place.folder / journals.FILE) is None:
            raise
        return interrupted(place)


def _run(plan: Plan, place: Place, open_journal: Callable[[], Journal], reporter: Reporter, watcher: Watcher) -> int:
    tell, sweep = reporter.tell, plan.sweep
    wish = Wish(
        who=f"sweep {plan.name}",
        workers=sweep.workers,
        cpus=sweep.cpus_per_worker,
        gpus=sweep.gpus_per_worker,
        at_a_time=sweep.concurrent,
    )
    # Ray takes SIGTERM for itself while it starts, so ours comes after.
    with ExitStack() as ours, ExitStack() as signals, ExitStack() as held:
        server = forks.running()
        ours.callback(forks.end)
        with (
            reporter.step("starting Ray" if place.where.address is None else "joining the Ray cluster"),
            server.asked() if server is not None else nullcontext(),
        ):
            program, has_environments = None if server is None else forks.PROGRAM, sweep.chosen_executor != "solo"
            made = ray_session(place.where.address, wish, program, has_environments=has_environments)
            demand, concurrent, session = ours.enter_context(made)
        interrupts = signals.enter_context(collected_interrupts())
        journal = open_journal()
        held.callback(journal.unlock)  # where this process lives on after an interrupt, it may resume
        plan = dataclasses.replace(plan, name=journal.sweep.name)
        place = dataclasses.replace(place, folder=journal.path.parent)
        spool = spool_of(journal.path, plan.sweep.primary, place)
        spool.start(SENDS_AFTER_S)
        held.callback(spool.stop, 0.0)
        study = StudyWriter(journal.path)
        study.start()
        held.callback(study.stop, 0.0)
        journal.append(SessionRow(places=concurrent, gpus=demand.total["GPU"]))
        spent = spent_before(journal.path, sweep.time_budget_s)
        budget = Budget(journal, sweep.primary, spent, sweep.at_least, tell)
        retention = Retention(journal, tell, concurrent)
        retention.settle()
        watcher.begun(journal)

        forecast = Forecast(journal, plan, concurrent, tell)
        boards, ahead = Boards(journal, tell), Ahead()
        held.callback(ahead.end)

        def watch(row: TrialEvent) -> None:
            reporter.booked(row)
            if isinstance(row, EpochRow | EndRow):
                retention.watch(row)
                forecast.look(row)
                boards.watch(row)
                watcher.booked(row)
                if len(journal.trials) >= sweep.trials:  # not before: what it loads takes memory
                    ahead.begin()

        def over() -> str:
            if interrupts:
                reporter.interrupt()
            return "interrupted" if interrupts else ""

        def adopt(heir: Trial, donor: Trial, config: dict[str, Any]) -> bool:
            return bool(named("search.sweep.population:take_over")(place.folder, tell, heir, donor, config))

        conductor = Conductor(journal, plan, concurrent, tell, budget, watch, adopt=adopt)
        desk = Desk(journal, conductor)
        reins = Reins(conductor, over, desk.look)

        def without_ray(fault: str) -> int:
            reporter.note(fault)
            end, thrown = End(fault, fault=fault), conductor.thrown
            code = end_sweep(Journal(journal.path), place, spool, reporter, lambda: end, thrown=thrown)
            reporter.close()
            return code

        def close() -> None:
            ours.close()
            reins.guarded(retention.settle, None)  # once no worker writes
            journal.unlock()
            study.stop()

        tell(
            f"sweep {plan.name}: {plan.sweep.trials} trials, {concurrent} at a time, {plan.base.model} on "
            f"{plan.base.data.name}, MLflow at {redacted(place.tracking_uri)}"
        )
        for line in limit_notes(journal.state.spend):
            tell(line)
        if not journal.trials and not plan.is_confirmation:
            for line in shortened(plan):
                tell(f"smaller than published: {line}")
            for line in (*population_notes(plan), *conductor.notes):
                tell(line)
        reporter.begin(journal, plan, forecast)
        try:
            with watched(without_ray):
                _tune(reins, plan, place, demand)
        except Exception as error:  # of Tune's own: ours are guarded
            if not conductor.has_ended_all:
                reins.stop(f"Ray Tune gave up: {one_line(error)}")
        if not (reins.end or budget.is_over or conductor.has_ended_all):
            reins.stop("Ray Tune ended before the last trial")
        has_ended_early = budget.is_over and not conductor.has_ended_all
        if not reins.end and plan.is_confirmation and not has_ended_early:
            with reporter.step("scoring the seeds on the test subjects"):
                reins.guarded(lambda: named("search.results.confirm:score_seeds")(journal), None)
        reason = reins.end or (budget.reason if has_ended_early else DONE)
        reins.guarded(desk.answer, None)
        # Who interrupts wants it to end; `resume` draws.
        with reporter.step("drawing pictures of the best trial"):
            has_pictures = reason != "interrupted" and _has_drawn(journal, tell)
        with reporter.closing():
            reins.guarded(lambda: conductor.close(reason, has_pictures=has_pictures), None)
        reporter.finish(reins.fault or reins.error)
        signals.close()  # what is left may be interrupted at any time
        code = end_sweep(
            journal,
            place,
            spool,
            reporter,
            lambda: End(reason, reins.error, reins.fault),
            thrown=conductor.thrown,
            close=close,
            watcher=watcher,
        )
    clear_ray(session, place.folder / RAY, code)
    return code


def _has_drawn(journal: Journal, tell: Callable[[str], None]) -> bool:
    """Draws the best trial's pictures, for which its weights are fetched; returns whether they are there. Says why
    not, and raises nothing: a sweep is no worse without."""
    best = journal.state.best()
    if best is None:
        return False
    try:
        bring(journal, best)
        config = config_from(best.config, str(journal.path))
        if not config.data.sizes.mesh:
            return False  # drawn are meshes, and what draws needs torch
        draw = named("search.results.pictures:draw_best")
        return bool(draw(config, trial_folder(journal.path.parent, best.number), f"trial {best.number}"))
    except Exception as error:  # disks, stores, drivers and drawing libraries have exceptions of their own
        tell(f"no pictures of trial {best.number}: {one_line(error)}")
        return False


def _tune(reins: Reins, plan: Plan, place: Place, demand: Demand) -> None:
    """Runs Ray Tune with our plug-ins until no trial is left or `reins.end` is set."""
    data_root = str(Path(plan.base.data.root).resolve())

    def to_config(task: Task) -> dict[str, Any]:
        return {
            "sweep": plan.name,
            "trial": task.trial,
            "attempt": task.attempt,
            "checkpoints": plan.sweep.checkpoints,
            "after_epoch": task.after_epoch,
            "folder": str(trial_folder(place.folder, task.trial)),
            "data_root": data_root,
            "parts": task.parts,
            "former": task.former,
            "costs": task.costs,
            "has_snapshots": plan.sweep.keep == KEEP_ALL,
            "config": json.dumps(task.config),
            "demand": demand,
        }

    def name_of(trial: Any) -> str:
        return f"{trial.config['trial']:04d}-{trial.trial_id}"

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    is_solo = plan.sweep.chosen_executor == "solo"
    if is_solo:
        trainable = tune.with_resources(train_trial, {"cpu": demand.cpus, "gpu": demand.gpus})
    else:
        driver = {SLOT: 1.0} if SLOT in ray.cluster_resources() else {"CPU": SHARE}
        group = named("search.executors.group:train_trial_in_group"), named("search.executors.group:resources_of_group")
        trainable = tune.with_resources(group[0], group[1](driver, demand))
    is_plain = is_solo and place.where.address is None
    with _folder_of_tune(place) as folder, plain_workers() if is_plain else nullcontext():
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=PointSearcher(reins, to_config),
                scheduler=JournalScheduler(reins),
                num_samples=-1,
                reuse_actors=is_solo,
                trial_name_creator=name_of,
                trial_dirname_creator=name_of,
            ),
            run_config=tune.RunConfig(
                name=RAY,
                storage_path=folder,
                callbacks=[LossCallback(reins)],
                stop=SweepStopper(reins),
                verbose=0,
            ),
        ).fit()


@contextmanager
def _folder_of_tune(place: Place) -> Iterator[str]:
    """Yields the folder for what Tune writes, which nobody reads: a temporary one, that a full disk of the sweep may
    not end it; on a cluster the sweep's, as every node looks for a file of Tune there."""
    if place.where.address is not None:
        yield str(place.folder)
        return
    with scratch_folder() as folder:
        yield str(folder)


def conclude_done(journal: Journal, place: Place, reporter: Reporter, watcher: Watcher = SILENT) -> int:
    """Prints the leaderboard of a finished sweep and sends its unsent records to MLflow; returns the exit code.
    `watcher`: prints what went wrong in it."""
    spool = spool_of(journal.path, journal.sweep.objective, place)
    spool.start()
    return end_sweep(journal, place, spool, reporter, lambda: End(DONE), watcher=watcher)
