"""`show`: prints what the journal of a sweep holds. Needs neither torch nor Ray nor MLflow."""

from __future__ import annotations

import json
from functools import partial

from spaces.cli import OK
from spaces.console import terminal_width

from ..cli.results.show import ShowRequest
from ..record.journal import FILE, Journal
from .advice.advice import advice_on, advice_text
from .csv_table import print_csv
from .follow import follow
from .leaderboard import leaderboard, leaderboard_text
from .trial import trial_facts, trial_text


def show(request: ShowRequest) -> int:
    """Prints the leaderboard of one sweep, with advice on it if asked for, all that is known of one trial, every trial
    as CSV, or the events from now on; returns the exit code. DataError if the journal is damaged."""
    path = request.storage / request.name / FILE
    line = partial(request.where.line, "show", request.name)
    if request.follows:
        return follow(path, line())
    journal, width = Journal(path), None if request.is_wide else terminal_width()
    if request.as_csv:
        print_csv(journal)
    elif request.trial is not None:
        facts = trial_facts(journal, journal.trials[request.trial])
        print(json.dumps(facts, indent=1) if request.as_json else trial_text(facts, line, width))
    else:
        findings = advice_on(journal, request.where) if request.has_advice else None
        if request.as_json:
            told = {} if findings is None else {"advice": [finding.to_record() for finding in findings]}
            print(json.dumps({**leaderboard(journal, request.most), **told}, indent=1))
        else:
            print(leaderboard_text(journal, line, width, request.most))
            if findings is not None:
                print(advice_text(findings, journal.sweep.model))
    return OK
