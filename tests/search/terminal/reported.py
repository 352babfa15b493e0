"""Simulated sweeps, reported as `launch` reports them."""

import os
from contextlib import contextmanager
from unittest import mock

from search.decisions.conductor import Conductor
from search.decisions.forecast import Forecast
from search.executors.simulated import Clock, Simulated
from search.record.records import EndRow, EpochRow, SessionRow
from search.sweep.reporter import Reporter
from tests.made.sweeps import made_journal, made_plan
from tests.search.decisions.simulations import course_of

WORKERS = 4
EPOCHS = 27


class Reported:
    """A sweep of `trials` trials on four workers of a virtual clock, with a reporter of the mode `progress`."""

    def __init__(self, folder, reporter, trials, course=course_of, **options):
        self.reporter, self.clock = reporter, Clock()
        usual = {"epochs": EPOCHS, "scheduler": "asha", "sampler": "random", "price_per_gpu_hour": 3.0}
        self.plan = made_plan("first", trials=trials, **{**usual, **options})
        with mock.patch("search.record.journal.unix_ms", self.now_ms):
            self.journal = made_journal(folder, self.plan)
        self.journal.now_ms = self.now_ms
        self.journal.append(SessionRow(places=WORKERS, gpus=1.0))
        self.forecast = Forecast(self.journal, self.plan, WORKERS, reporter.tell)
        self.conductor = Conductor(self.journal, self.plan, WORKERS, reporter.tell, watch=self.booked, clock=self.clock)
        self.executor = Simulated(self.conductor, course, WORKERS, self.clock, 0.3, 0.3)
        reporter.begin(self.journal, self.plan, self.forecast)

    def now_ms(self):
        return 1_700_000_000_000 + int(1000 * self.clock.now)

    def booked(self, row):
        self.reporter.booked(row)
        if isinstance(row, EpochRow | EndRow):
            self.forecast.look(row)

    def run(self, epochs=None):
        """To its end, or until so many epochs are trained."""
        self.executor.run(lambda: self.executor.spent == epochs)
        if epochs is None:
            with self.reporter.closing():
                self.conductor.close("done")
            self.reporter.finish("")


@contextmanager
def reported(folder, progress, trials=200, **options):
    """Yields a sweep that is reported until the end of the block."""
    with mock.patch.object(os, "fsync", return_value=None), Reporter(progress) as reporter:
        made = Reported(folder, reporter, trials, **options)
        yield made
    made.journal.unlock()
