"""`report`: writes what the record of a sweep holds, or of several side by side, as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from spaces.cli import OK
from spaces.files import size_text, write_text

from ...cli.command import Where
from ...cli.results.report import ReportRequest
from ...figures.embedding import library
from ...record.journal import FILE, Journal
from .elements import page
from .figure import Figures
from .sections import sections_of_one
from .several import sections_of_several
from .testing import Scores, kept_scores, scores_of


def report(request: ReportRequest) -> int:
    """Writes the report of the named sweeps, of one with its scores on the test subjects; returns the exit code.
    DataError if a journal is damaged; InputError if the file cannot be written."""
    journals = {name: Journal(request.storage / name / FILE) for name in request.names}
    # Side by side stand those that are kept.
    look = scores_of if request.has_scores and len(journals) == 1 else kept_scores
    scores = {name: look(journal) for name, journal in journals.items()}
    write_text(request.out, report_text(journals, request.where, scores))
    print(f"report of {', '.join(request.names)} -> {request.out} ({size_text(request.out.stat().st_size)})")
    for name, found in scores.items():
        if look is scores_of and found.why:
            print(f"test scores of {name}: {found.why}")
    return OK


def write_report(source: Path, out: Path, where: Where | None = None) -> None:
    """Writes the report of one sweep to the file `out`, which it replaces atomically; it scores nothing. `source`: the
    sweep's folder or journal, which may be growing; `where`: the places by which printed commands find it. DataError if
    the journal is damaged; InputError if the file cannot be written."""
    write_text(out, page_on(source, where))


def page_on(source: Path, where: Where | None = None) -> str:
    """Formats the report of one sweep, as `write_report` writes it. DataError if the journal is damaged."""
    path = source / FILE if source.is_dir() else source
    name, journal = path.resolve().parent.name, Journal(path)
    return report_text({name: journal}, where or Where(), {name: kept_scores(journal)})


def report_text(journals: Mapping[str, Journal], where: Where, scores: Mapping[str, Scores]) -> str:
    """Formats the report of one sweep, or of several side by side, as an HTML page that loads nothing. `journals`,
    `scores`: records and test scores by the name of the sweep's folder."""
    if len(journals) == 1:
        ((name, journal),) = journals.items()
        figures = Figures(journal.sweep.name)
        head, sections = sections_of_one(journal, name, where, figures, scores[name])
    else:
        figures = Figures()
        head, sections = sections_of_several(journals, where, figures, scores)
    made = f"posesweep report, made {datetime.now().astimezone().isoformat(sep=' ', timespec='minutes')}"
    return page(f"{', '.join(journals)} - posesweep", sections, head, made, library() if figures.count else "")
