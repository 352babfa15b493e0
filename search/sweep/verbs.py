"""What `launch`, `resume` and `train` do once their options are checked."""

from __future__ import annotations

from spaces.errors import ConfigError

from ..cli.confirm import ConfirmRequest
from ..cli.launch import SweepRequest
from ..record import journal as journals
from ..record.journal import Journal
from ..record.plan import plan_of
from .place import place_of
from .run import begin, check_data, conclude_done, reopen, run


def launch(request: SweepRequest) -> int:
    """Runs a new sweep."""
    plan = request.plan
    assert plan is not None, "launch without a plan"
    place = place_of(request.folder, request.tracking_uri, request.address)
    facts = check_data(plan)
    return run(plan, place, lambda: begin(plan, facts, place))


def resume(request: SweepRequest) -> int:
    """Runs the rest of an interrupted sweep, from its journal."""
    place = place_of(request.folder, request.tracking_uri, request.address)
    journal = Journal(place.folder / journals.FILE)
    plan = plan_of(journal.sweep, str(journal.path))
    if check_data(plan).fingerprint != journal.sweep.facts.fingerprint:
        problem = f"the data in {plan.base.data.root} is not what the sweep began with"
        raise ConfigError(f"sweep '{request.name}'", [f"{problem}; bring it back, or launch a new sweep"])
    if journal.is_closed and journal.close_reason == "done":
        return conclude_done(journal, place)
    return run(plan, place, lambda: reopen(place))


def confirm(request: ConfirmRequest) -> int:
    """Trains one config with several seeds and scores each on the test subjects; an interrupted one goes on."""
    place = place_of(request.folder, request.tracking_uri, request.address)
    facts = check_data(request.plan, ("train", "val", "test"))
    is_there = journals.has_begun(place.folder)
    return run(request.plan, place, lambda: reopen(place) if is_there else begin(request.plan, facts, place))
