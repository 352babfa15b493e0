"""Values of the options that depend on each other, and which combinations are refused. Imports nothing heavy, so that a
refusal comes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SCHEDULERS = ASHA, STOPPING, HYPERBAND, MEDIAN, PBT, NONE = "asha", "stopping", "hyperband", "median", "pbt", "none"
TENSORBOARD = "tensorboard"
LOGS = "none", TENSORBOARD
PAUSING = ASHA, HYPERBAND  # schedulers whose trials may wait
REDUCTION = 3  # a third survives each rung; ASHA (Li et al. 2020) finds 3 to 4 best
BRACKETS = 3
# Options of a scheduler -> those that have them, the nearest for all others first.
SCHEDULED = {
    "grace": (ASHA, STOPPING, HYPERBAND, MEDIAN, PBT),
    "reduction": (ASHA, STOPPING, HYPERBAND),
    "brackets": (HYPERBAND,),
    "max_epochs": (ASHA, STOPPING, HYPERBAND, MEDIAN, PBT),
}


def rungs(grace: int, reduction: int, epochs: int) -> list[int]:
    """Returns the epochs at which trials are compared, ascending: `grace`, then each `reduction` times the one before,
    all below `epochs`."""
    found, epoch = [], grace
    while epoch < epochs:
        found.append(epoch)
        epoch *= reduction
    return found


def scheduler_values(scheduler: str, given: Mapping[str, int | None], epochs: int) -> dict[str, int | None]:
    """Computes the options of a scheduler: the given ones, defaults for the others, None for those that it has not.
    `given`: by name, None if not given; `epochs`: the length of the longest trial."""
    length = given["max_epochs"] or epochs
    grace = given["grace"] or max(1, length // 10)
    reduction = given["reduction"] or REDUCTION
    most = max(1, len(rungs(grace, reduction, length)))
    found = {"grace": grace, "reduction": reduction, "max_epochs": length}
    found["brackets"] = given["brackets"] or min(BRACKETS, most)
    return {name: found[name] if scheduler in users else None for name, users in SCHEDULED.items()}


def scheduler_problems(scheduler: str, given: Mapping[str, int | None], epochs: int) -> Iterator[str]:
    """Checks the options of a scheduler; yields a message for each that cannot work, with the nearest that does.
    Arguments as in `scheduler_values`."""
    for name, users in SCHEDULED.items():
        if given[name] is not None and scheduler not in users:
            remedy = f"leave it out, or use --scheduler {users[0]}"
            yield f"--{name.replace('_', '-')} {given[name]}: --scheduler {scheduler} has no use for it; {remedy}"
    values = scheduler_values(scheduler, given, epochs)
    length, grace, reduction, brackets = (values[name] for name in ("max_epochs", "grace", "reduction", "brackets"))
    if length is None or grace is None:
        return
    if length > epochs:
        remedy = f"give at most {epochs}, or --epochs {length}"
        yield f"--max-epochs {length}: no trial has more than {epochs} epochs; {remedy}"
    if given["grace"] is not None and grace >= length:
        remedy = f"give at most {length - 1}" if length > 1 else "use --scheduler none"
        yield f"--grace {grace}: no trial would be judged before epoch {length}, its last; {remedy}"
    elif brackets is not None and reduction is not None:
        most = len(rungs(grace, reduction, length))
        remedy = f"give at most {most}, or a smaller --grace or --reduction" if most else "use --scheduler none"
        if brackets > most:
            yield f"--brackets {brackets}: there is one a rung, and epochs {grace} to {length} have {most}; {remedy}"
