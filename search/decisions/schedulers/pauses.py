"""Where a pause is worth its price: the time that starting a trial again takes."""

from __future__ import annotations

# A worker group takes 17 to 21 s from its start to its first step and 3 s to end, on two CPU cores (2026-11-29); a
# process that is reused, a fraction of a second.
GROUP_RESTART_S = 25.0
WORTH = 20  # an epoch must take so many times the restart


def can_pause(executor: str, epoch_s: float) -> bool:
    """Returns whether a trial may wait for its promotion: always with the executor 'solo', whose processes are reused;
    with 'group' if its last epoch took `epoch_s` seconds, WORTH times the restart of a group."""
    return executor == "solo" or epoch_s >= WORTH * GROUP_RESTART_S
