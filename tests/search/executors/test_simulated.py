"""The simulated executor: who reports when on a virtual clock."""

import math
from dataclasses import dataclass
from typing import ClassVar

from search.executors.simulated import Clock, Course, Simulated
from search.record.records import EndRow


@dataclass
class Task:
    trial: int
    attempt: int = 1
    after_epoch: int = 0
    config: ClassVar = {"loop": {"epochs": 3}}


class Leader:
    """Hands out the given attempts, and lets each train three epochs."""

    def __init__(self, clock, *tasks):
        self.clock, self.tasks, self.heard = clock, list(tasks), []

    def next_task(self):
        return self.tasks.pop(0) if self.tasks else None

    def hear(self, report):
        self.heard.append((self.clock.now, report.trial, report.epoch))
        return report.epoch < 3 and not isinstance(report, EndRow)


def course(number, config):
    return Course(tuple({"m": float(epoch)} for epoch in range(config["loop"]["epochs"])), 1.0 + number)


def test_reports_come_in_the_order_of_their_time():
    clock = Clock()
    leader = Leader(clock, Task(0), Task(1), Task(2))
    made = Simulated(leader, course, 2, clock)
    made.run()
    assert leader.heard == [
        *((1.0, 0, 1), (2.0, 1, 1), (2.0, 0, 2), (3.0, 0, 3), (4.0, 1, 2)),
        *((6.0, 2, 1), (6.0, 1, 3), (9.0, 2, 2), (12.0, 2, 3)),
    ]
    assert (made.spent, made.attempts, clock()) == (9, 3, 12.0)


def test_starts_and_restarts_take_their_time_and_go_on_after_the_last_epoch():
    clock = Clock()
    leader = Leader(clock, Task(0), Task(0, 2, 1))
    made = Simulated(leader, course, 1, clock, start_s=10.0, restart_s=0.5)
    assert made.step()
    assert made.running == [0]
    made.run()
    assert leader.heard == [(11.0, 0, 1), (12.0, 0, 2), (13.0, 0, 3), (14.5, 0, 2), (15.5, 0, 3)]


def test_a_value_that_is_not_finite_is_a_divergence():
    clock = Clock()
    leader = Leader(clock, Task(0))
    Simulated(leader, lambda number, config: Course(({"m": 1.0}, {"m": math.nan}), 1.0), 1, clock).run()
    assert leader.heard == [(1.0, 0, 1), (2.0, 0, 2)]


def test_it_stops_where_it_is_told_to():
    clock = Clock()
    made = Simulated(Leader(clock, Task(0)), course, 1, clock)
    made.run(lambda: made.spent >= 2)
    assert made.spent == 2
