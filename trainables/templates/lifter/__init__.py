"""lifter: a residual MLP that lifts the 2D joints of one frame."""

from ...entry import Entry

__all__ = ["ENTRY"]

# Only what differs from trainables/entry.py: the tests train the network with these knobs, in a second.
ENTRY: Entry = {
    "tiny": {"network.width": 32, "network.blocks": 1},
}
