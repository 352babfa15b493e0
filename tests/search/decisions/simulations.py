"""Sweeps run by the simulated executor: a plan, scores made from the point, and the product's own conductor."""

import math
import random

from search.decisions.conductor import Conductor
from search.executors.simulated import Clock, Course, Simulated
from search.record.lines import read_rows
from search.record.records import AttemptRow, CloseRow, OpenRow
from tests.made.sweeps import OBJECTIVE, made_journal, made_plan

EPOCHS = 9  # rungs at 1 and 3


def course_of(number, config, seed=0, is_rough=False):
    """A made-up training: curves that cross, lengths of epochs that differ, and if rough now and then a divergence."""
    chance = random.Random(1000 * seed + number)
    end, start, speed = chance.uniform(40, 60), chance.uniform(70, 120), chance.uniform(0.2, 1.0)
    length = config["loop"]["epochs"]
    values = [{OBJECTIVE: end + (start - end) * math.exp(-speed * epoch)} for epoch in range(1, length + 1)]
    if is_rough and chance.random() < 0.2:
        values[chance.randrange(length)] = {OBJECTIVE: math.nan}
    return Course(tuple(values), chance.uniform(0.5, 2.0))


class Simulation:
    """A sweep on the simulated executor. `options` are those of SweepConfig."""

    def __init__(self, folder, workers=3, course=course_of, journal=None, plan=None, **options):
        sampler = "none" if options.get("scheduler") == "pbt" else "random"
        usual = {"epochs": EPOCHS, "trials": 9, "sampler": sampler, "scheduler": "asha"}
        self.plan = plan or made_plan(**{**usual, **options})
        self.journal = journal or made_journal(folder, self.plan)
        self.said, self.clock = [], Clock()
        self.conductor = Conductor(self.journal, self.plan, workers, self.said.append, clock=self.clock)
        self.executor = Simulated(self.conductor, course, workers, self.clock)

    def run(self):
        """To its end, which is a good one."""
        self.executor.run()
        assert self.conductor.has_handed_out_all
        assert self.conductor.has_ended_all
        self.conductor.close("done")
        self.journal.unlock()
        return self

    @property
    def trials(self):
        return list(self.journal.trials.values())

    @property
    def states(self):
        return [trial.state for trial in self.trials]

    def rows(self):
        return [row for row, _ in read_rows(self.journal.path)]


def happenings(rows):
    """What a sweep drew, booked and decided, in order, without the attempts and the times."""
    return [
        {key: value for key, value in row.to_record().items() if key != "ts_ms"}
        for row in rows
        if not isinstance(row, AttemptRow | OpenRow | CloseRow)
    ]
