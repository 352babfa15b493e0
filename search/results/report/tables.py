"""Tables of a sweep's report: its trials, why some failed, its sessions and machines."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

from trainables.runs.names import output_file

from ...record.journal import Journal, trial_folder
from ...record.lines import read_rows
from ...record.records import LOST, CloseRow, OpenRow, SessionRow, SweepRow
from ...record.trial import Trial
from .elements import Markup, element, joined, number_text, table
from .heads import moment, plain_text

MOST_CAUSES = 20  # reasons of failure that are told with a traceback
LONGEST_REASON = 120  # characters of a reason in the table of trials
LOG_BYTES = 200_000  # of a trial's output, from its start, that are searched for its machines
_ATTEMPT = re.compile(rb"^--- trial \d+, attempt \d+[^\n]*?, ([^ ,\n]+), process \d+, ", re.MULTILINE)


def trials_table(journal: Journal) -> Markup:
    """Builds the table of all trials, best first: a click on a column sorts it."""
    sweep = journal.sweep
    more = [name for name in (*sweep.objectives, *(limit.metric for limit in sweep.limits)) if name != sweep.objective]
    more = list(dict.fromkeys(more))
    paths = list(dict.fromkeys(path for trial in journal.trials.values() for path in trial.point))
    header = ["trial", "state", sweep.objective, *more, "epochs", "best epoch", "attempts", *paths, "why"]
    rows = [
        [
            *(trial.number, trial.state, number_text(trial.own_score)),
            *(number_text(trial.measured(name)) for name in more),
            *(trial.last_epoch, trial.best_epoch(sweep.objective) or "", trial.attempts),
            *(plain_text(trial.point[path]) if path in trial.point else "" for path in paths),
            _why(trial),
        ]
        for trial in journal.leaderboard(sweep.objective)
    ]
    return table(header, rows, sorts=True)


def _why(trial: Trial) -> str:
    last = next(iter(trial.reason.strip().splitlines()[-1:]), "")
    told = "; ".join(filter(None, (*trial.broken, trial.cause if trial.state == LOST else "", last)))
    return told if len(told) <= LONGEST_REASON else f"{told[:LONGEST_REASON]}..."


def failures(journal: Journal) -> Markup | None:
    """Builds the list of what trials failed or diverged of, each cause once with the traceback of its first trial; None
    if none did."""
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in journal.trials.values():
        if trial.state in ("failed", "diverged", LOST):
            last = next(iter(trial.reason.strip().splitlines()[-1:]), "")
            groups[trial.state, last].append(trial)
    if not groups:
        return None
    parts = []
    for (state, last), trials in sorted(groups.items(), key=lambda group: -len(group[1]))[:MOST_CAUSES]:
        numbers = ", ".join(str(trial.number) for trial in trials[:12]) + (", ..." if len(trials) > 12 else "")
        told = f"{len(trials)} {state} (trial {numbers}): {last or 'no reason on record'}"
        whole = trials[0].reason.strip()
        if "\n" in whole:
            text = element("pre", element("code", whole), class_="tall")
            parts.append(element("details", element("summary", told), text))
        else:
            parts.append(element("p", told, class_="found"))
    if len(groups) > MOST_CAUSES:
        parts.append(element("p", f"and {len(groups) - MOST_CAUSES} more causes", class_="note"))
    return joined(parts)


def sessions(journal: Journal) -> Markup:
    """Builds the table of the sessions, the runs of the launching process: when, with which resources, how each
    ended."""
    rows: list[list[object]] = []
    last_ms = 0
    for row, _ in read_rows(journal.path):
        if isinstance(row, SweepRow | OpenRow):
            _end(rows, last_ms)
            rows.append([len(rows) + 1, moment(row.ts_ms), "", "", "", ""])
        elif isinstance(row, SessionRow):
            rows[-1][2:4] = [row.places, f"{row.gpus:g} GPU" if row.gpus else "CPU"]
        elif isinstance(row, CloseRow):
            rows[-1][4:] = [moment(row.ts_ms), row.reason]
        last_ms = row.ts_ms
    return table(["session", "begun", "trials at a time", "each on", "ended", "how"], rows)


def _end(rows: list[list[object]], ts_ms: int) -> None:
    """Notes of a session that another one follows without a close that its process was killed."""
    if rows and not rows[-1][4]:
        rows[-1][4:] = [f"after {moment(ts_ms)}", "its process ended without a word"]


def machines(journal: Journal) -> Markup:
    """Builds the table of the machines that ran attempts, from the logs of the trials that are on this one; a sentence
    where there are none."""
    attempts: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    for number in journal.trials:
        hosts = _hosts(trial_folder(journal.path.parent, number) / output_file(0))
        attempts.update(hosts)
        trials.update(set(hosts))
    started = f"The sweep was launched on {journal.sweep.facts.machine or 'a machine that is not on record'}."
    if not attempts:
        return element("p", f"{started} No log of a trial is on this machine, to say where it ran.", class_="note")
    rows = [[host, trials[host], count] for host, count in attempts.most_common()]
    return joined([element("p", started, class_="note"), table(["machine", "trials", "attempts"], rows)])


def _hosts(log: Path) -> list[str]:
    """Reads from a trial's output the machines of its attempts; [] where there is none that can be read."""
    try:
        with log.open("rb") as file:
            text = file.read(LOG_BYTES)
    except OSError:
        return []
    return [host.decode(errors="replace") for host in _ATTEMPT.findall(text)]
