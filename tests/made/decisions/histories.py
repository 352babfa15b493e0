"""Histories of made sweeps, as a sampler is told of them."""

import math

from spaces.domains import Choice, Float, Int
from tests.made.sweeps import trial

MIXED = {
    "rate": Float(1e-4, 1e-2, log=True),
    "share": Float(0.0, 0.5),
    "steps": Int(10, 1000, log=True),
    "layers": Int(2, 8),
    "width": Int(32, 128, step=32),
    "batch": Choice((32, 64, 128)),
    "norm": Choice((True, False)),
    "single": Choice((1,)),
}
STATES = ("finished", "finished", "pruned", "pruned", "paused", "diverged", "failed", "stopped", "lost")
GO_ON = ("paused", "stopped", "lost")


def random_point(chance):
    """A point of MIXED; one in twenty lies outside, as a recipe may, and one in twenty lacks a knob."""
    point = {
        "rate": 10 ** chance.uniform(-4, -2),
        "share": chance.choice([chance.uniform(0, 0.5)] * 19 + [0.9]),
        "steps": chance.randint(10, 1000),
        "layers": chance.randint(2, 8),
        "width": 32 * chance.randint(1, 4),
        "batch": chance.choice([32, 64, 128]),
        "norm": chance.choice([True, False]),
        "single": 1,
    }
    if chance.random() < 0.05:
        del point[chance.choice(["rate", "batch", "steps"])]
    return point


def events(chance, length, objectives=1):
    """A sweep's events, each the trial that was born, ended, was cut short or goes on; ends come in any order."""
    points, scores, running, waiting = [], [], [], []
    for _ in range(length):
        state = "running"
        if waiting and chance.random() < 0.3:
            number = waiting.pop()
            running.append(number)
        elif len(running) < 4 or chance.random() < 0.1:
            number = len(points)
            points.append(random_point(chance))
            scores.append([])
            running.append(number)
        else:
            number, state = running.pop(chance.randrange(len(running))), chance.choice(STATES)
            for _ in range(chance.randint(0, 3)):
                scores[number].append([nan_or(chance) for _ in range(objectives)])
            if state in GO_ON:
                waiting.append(number)
        yield trial(number, scores[number], state, points[number])


def nan_or(chance):
    return math.nan if chance.random() < 0.1 else chance.uniform(40, 60)
