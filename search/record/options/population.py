"""What population-based training (`--scheduler pbt`) needs of the other options."""

from __future__ import annotations

from collections.abc import Iterator

from .choices import PBT
from .sampling import UNTAUGHT

QUARTERS = 4  # trials of the worst quarter go on from those of the best
FEWEST = QUARTERS  # trials, so that a quarter is one


def population_problems(
    scheduler: str, sampler: str, trials: int, executor: str, objectives: int, checkpoints: str
) -> Iterator[str]:
    """Checks the options of a sweep against its scheduler; yields a message for each that cannot work, with the nearest
    that does. `executor`: the one in use; `objectives`: their number; `checkpoints`: URI, or ''."""
    if scheduler != PBT:
        if sampler == UNTAUGHT:
            yield f"--sampler {UNTAUGHT}: is for --scheduler {PBT} alone; `random` draws without learning, too"
        return
    if sampler != UNTAUGHT:
        why = "changes knobs while trials train, which no sampler is told"
        yield f"--sampler {sampler}: --scheduler {PBT} {why}; leave it out, which draws the first values at random"
    if trials < FEWEST:
        yield f"--trials {trials}: --scheduler {PBT} replaces the worst quarter by the best; give at least {FEWEST}"
    if executor != "solo":
        yield f"--executor {executor}: --scheduler {PBT} needs solo, with one worker a trial; or use --scheduler asha"
    if objectives > 1:
        yield f"--objective: --scheduler {PBT} ranks by one metric; or use --scheduler asha"
    if checkpoints:
        remedy = "leave --checkpoints and a URI in --storage out, or use --scheduler asha"
        yield f"{checkpoints}: --scheduler {PBT} hands training states on in the sweep's folder; {remedy}"
