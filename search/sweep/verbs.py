"""Entry points of `launch`, `resume`, `extend`, `fork` and `confirm`, given their checked requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from spaces.cli import OK
from spaces.errors import ConfigError

from ..cli.runs.confirm import ConfirmRequest
from ..cli.runs.extend import ExtendRequest
from ..cli.runs.fork import ForkRequest
from ..cli.runs.launch import SweepRequest
from ..decisions.budget import Budget, hours_over, limit_text, spent_before
from ..decisions.continued import with_draws
from ..executors.mirror import check_store
from ..executors.workers import forks
from ..record import journal as journals
from ..record.durations import duration_text
from ..record.journal import Journal
from ..record.plan import Plan, plan_of
from ..record.provenance import facts_of_run
from ..record.records import Facts, OpenRow
from ..terminal.modes import QUIET
from .growth import copied, enlarged
from .place import Place, place_of
from .reporter import Reporter
from .run import begin, conclude_done, reopen, run


def _parts(plan: Plan) -> tuple[str, ...]:
    """Returns the data splits that a sweep reads; a confirmation also reads the test subjects."""
    return ("train", "val", "test") if plan.is_confirmation else ("train", "val")


def check_data(
    plan: Plan, place: Place, parts: tuple[str, ...], reporter: Reporter, words: Sequence[str] | None = None
) -> Facts:
    """Validates config, data and checkpoint store of a sweep before it starts, and returns its provenance. `parts`:
    splits that the sweep reads; `words`: verb and arguments for the record (None: those of this process). DataError or
    ConfigError if the data is invalid, or the checkpoint store is not writable."""
    data = plan.base.data
    if plan.sweep.checkpoints:
        with reporter.step("looking at the store of checkpoints"):
            check_store(plan.sweep.checkpoints)
    is_own = place.where.address is None
    forks.begin()
    try:
        with forks.calling() as called:
            called("trainables.runs.demands:check_run", plan.base, is_fresh=True, parts=parts, is_here=is_own)
            is_due = called("data.synthetic.provide:is_due", data)
            with reporter.step(f"writing the synthetic set of {data.name}" if is_due else f"looking for {data.name}"):
                called("data.synthetic.provide:provide", data, tell=reporter.tell)
            with reporter.step(f"reading {data.name}"):
                server = forks.running()
                kept_in = server.folder if server is not None and is_own else None
                found = called("data.batches.samples:facts_of", data, parts, tell=reporter.tell, kept_in=kept_in)
    except BaseException:
        forks.end()
        raise
    if not is_own:
        forks.end()  # the workers of a cluster are made by its nodes
    return facts_of_run(found, words)


def launch(request: SweepRequest) -> int:
    """Runs a new sweep; returns the exit code. ConfigError or DataError for invalid input."""
    plan = request.plan
    assert plan is not None, "launch without a plan"
    if request.earlier is not None:
        plan = with_draws(plan, request.earlier)
    place = place_of(request.folder, request.where)
    with Reporter(request.progress) as reporter:
        facts = check_data(plan, place, _parts(plan), reporter, request.words)
        return run(plan, place, lambda: begin(plan, facts, place, is_named=request.is_named), reporter, request.watcher)


def resume(request: SweepRequest) -> int:
    """Runs the rest of a sweep from its journal; returns the exit code. ConfigError if its data has changed, its time
    budget is used up, or it runs elsewhere."""
    place = place_of(request.folder, request.where)
    journal = Journal(place.folder / journals.FILE)
    plan = plan_of(journal.sweep, str(journal.path))
    with Reporter(request.progress) as reporter:
        _check_same_data(plan, journal, place, reporter)
        if journal.is_closed and journal.close_reason == "done":
            return conclude_done(journal, place, reporter, request.watcher)
        _refuse_spent(journal, plan, place, request.limits, "resume")
        return run(plan, place, lambda: reopen(place, request.limits), reporter, request.watcher)


def _check_same_data(plan: Plan, journal: Journal, place: Place, reporter: Reporter) -> None:
    """Validates the data of a sweep that goes on. ConfigError if it has changed."""
    if check_data(plan, place, _parts(plan), reporter).fingerprint != journal.sweep.facts.fingerprint:
        problem = f"the data in {plan.base.data.root} is not what the sweep began with"
        raise ConfigError(f"sweep '{journal.sweep.name}'", [f"{problem}; bring it back, or launch a new sweep"])


def extend(request: ExtendRequest) -> int:
    """Enlarges a sweep and trains what it lacks then; returns the exit code. ConfigError as in `resume`."""
    place = place_of(request.folder, request.where)
    journal = Journal(place.folder / journals.FILE)
    plan = plan_of(journal.sweep.grown(request.row), str(journal.path))
    sizes = (("--trials", request.row.trials), ("--epochs", request.row.epochs))
    words = [word for flag, size in sizes if size is not None for word in (flag, size)]
    with Reporter(request.progress) as reporter:
        _check_same_data(plan, journal, place, reporter)
        _refuse_spent(journal, plan, place, request.limits, "extend", *words)

        def enlarge(journal: Journal) -> None:
            for line in enlarged(journal, plan, request.row):
                reporter.tell(line)

        return run(plan, place, lambda: reopen(place, request.limits, enlarge), reporter, request.watcher)


def fork(request: ForkRequest) -> int:
    """Makes a new sweep from the state of an old one, and enlarges it if the request says so; returns the exit code.
    InputError if a file cannot be written; no new sweep is there then."""
    place = place_of(request.folder, request.where)
    copied(request.source, request.folder)
    journal = Journal(request.folder / journals.FILE)
    begun = f"sweep {request.folder.name}: {len(journal.trials)} trials of {request.source.name}"
    if request.growth is not None:
        if request.progress != QUIET:
            print(begun, flush=True)
        return extend(request.growth)
    print(begun, flush=True)
    if all(trial.has_ended for trial in journal.trials.values()) and len(journal.trials) >= journal.sweep.trials:
        print(f"give it more: {place.line('extend', '--trials', 2 * journal.sweep.trials)}")
    else:
        print(f"go on with: {place.line('resume')}")
    return OK


def _refuse_spent(journal: Journal, plan: Plan, place: Place, limits: OpenRow, verb: str, *words: object) -> None:
    """Raises ConfigError if a budget of the sweep is used up, gets no new limit, and no trial must still finish.
    `limits`: the new ones; `verb`, `words`: the command that the user typed, for the remedy."""
    spend, spent = journal.state.spend, spent_before(journal.path, plan.sweep.time_budget_s)
    budget = Budget(journal, plan.sweep.primary, spent, plan.sweep.at_least, lambda line: None)
    problems, more = [], list(words)
    if spent.is_over and limits.time_budget_s is None:
        limit = duration_text(spent.limit_s or 0)
        problems.append(f"its time budget of {limit} is spent; to go on for as long again: ")
        more += ["--time-budget", limit]
    if hours_over(spend) and limits.gpu_hours is None:
        problems.append(f"its {limit_text(spend)} are spent; to go on for as many again: ")
        more += ["--gpu-hours", f"{spend.gpu_hours:g}"]
    if problems and not budget.may_start(()):
        again = place.where.line_told(verb, plan.name, *more)
        raise ConfigError(f"sweep '{plan.name}'", [problem + again for problem in problems])


def confirm(request: ConfirmRequest) -> int:
    """Trains one config with several seeds and scores each on the test subjects; returns the exit code. An interrupted
    confirmation continues."""
    place = place_of(request.folder, request.where)
    with Reporter(request.progress) as reporter:
        facts = check_data(request.plan, place, _parts(request.plan), reporter)
        is_there = journals.has_begun(place.folder)
        journal = partial(reopen, place) if is_there else partial(begin, request.plan, facts, place)
        return run(request.plan, place, journal, reporter)
