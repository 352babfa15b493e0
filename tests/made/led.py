"""A conductor over a journal on disk, led without Ray."""

from search.decisions.conductor import Conductor
from search.record.journal import Journal
from search.record.lines import read_rows
from search.record.records import OpenRow
from tests.made.sweeps import made_journal


class Led:
    """A conductor and what it said."""

    def __init__(self, folder, plan, concurrent=2, journal=None):
        self.journal = journal if journal is not None else made_journal(folder, plan)
        self.said = []
        self.conductor = Conductor(self.journal, plan, concurrent, self.said.append)

    def records(self, kind):
        return [row for row, _ in read_rows(self.journal.path) if isinstance(row, kind)]


def leads(folder, plan):
    """Yields what makes a Led, or leads on after `again` closed and reopened the journal, as a new process would; lets
    go of all journals in the end."""
    made, default = [], plan

    def make(again=None, plan=default, concurrent=2):
        journal = None
        if again is not None:
            again.journal.unlock()
            journal = Journal(again.journal.path)
            journal.lock()
            journal.append(OpenRow())
        made.append(Led(folder, plan, concurrent, journal))
        return made[-1]

    yield make
    for led in made:
        led.journal.unlock()
