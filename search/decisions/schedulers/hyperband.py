"""Asynchronous Hyperband: several brackets of asynchronous successive halving, of which each begins to compare one rung
later than the one before."""

from __future__ import annotations

from ...record.options.choices import rungs
from .halving import Halving


class Hyperband(Halving):
    """Scheduler `hyperband`. Arguments: as of Asha, and `brackets`, their number, at most that of the rungs.

    A bracket gets `reduction` times as many trials as the next one, so that all cost about the same; the bracket of a
    trial follows from its number."""

    def __init__(self, grace: int, reduction: int, epochs: int, brackets: int, objective: str) -> None:
        every = rungs(grace, reduction, epochs)
        super().__init__("hyperband", [every[first:] for first in range(brackets)], objective, reduction)
        self._cycle = _cycle([reduction**later for later in reversed(range(brackets))])

    def bracket_of(self, number: int) -> int:
        """Returns the index of the bracket in which trial `number` competes."""
        return self._cycle[number % len(self._cycle)]


def _cycle(shares: list[int]) -> list[int]:
    """Arranges `shares[i]` times each index i so that every stretch holds them in about these shares, index 0 first."""
    order, given = [], [0] * len(shares)
    for _ in range(sum(shares)):
        # The index that is farthest behind its share comes next.
        found = min(range(len(shares)), key=lambda i: ((given[i] + 1) / shares[i], i))
        given[found] += 1
        order.append(found)
    return order
