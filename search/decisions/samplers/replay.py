"""Replays a history, generation by generation, to a state; keeps the states that it went through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

State = TypeVar("State")
Generation = TypeVar("Generation")
KEPT = 100  # states that are kept, the latest ones; a change further back costs a whole replay


class Replay(Generic[State, Generation]):
    """State of an algorithm that advances by generations, always the one that a fresh replay of the generations gives.

    `step`: computes the state after a generation, and leaves the one before unchanged."""

    def __init__(self, start: State, step: Callable[[State, Generation], State]) -> None:
        self.start = start
        self._step = step
        self._past: list[tuple[Generation, State | None]] = []

    def after(self, generations: Sequence[Generation]) -> State:
        """Returns the state after these generations. Only those that are new, or follow a changed one, are replayed."""
        same = 0
        while same < min(len(self._past), len(generations)) and self._past[same][0] == generations[same]:
            same += 1
        del self._past[same:]
        if self._past and self._past[-1][1] is None:
            self._past.clear()
        state = self._past[-1][1] if self._past else self.start
        assert state is not None, "the last state is kept"
        for generation in generations[len(self._past) :]:
            state = self._step(state, generation)
            self._past.append((generation, state))
            if len(self._past) > KEPT:
                self._past[-KEPT - 1] = (self._past[-KEPT - 1][0], None)
        return state
