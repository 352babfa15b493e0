"""`clean`: finds what sweeps and Ray have left behind and nobody needs, and removes it once the user agrees."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from data.errors import DataError
from spaces.cli import FAILED, OK
from spaces.errors import ConfigError, InputError, one_line
from spaces.files import size_below, size_text
from spaces.table import text_table
from trainables.runs.names import BEST, is_part

from ..cli.upkeep.clean import CleanRequest
from ..cluster.scratch import left_folders
from ..cluster.sessions import RAY, dead_sessions, remove_session
from ..environment.store import redacted
from ..executors.mirror import MirrorError, copies, discard_copies
from ..record.journal import FILE, Journal, is_held, sweeps
from ..record.plan import CONFIRMED
from ..record.records import KEEP_BEST
from .retention import remove, surplus, surplus_copies

QUIET_S = 60.0  # a file that is being written is not older than that
SESSION, STATE, WEIGHTS, PART = "Ray session", "training state", "weights", "unfinished file"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that nobody needs. `sweep`: whose it is, '' for none; `path`: where it is, on this machine or at the
    sweep's URI; `copy`: for the latter its path below the folder of trials, else ''."""

    what: str
    sweep: str
    path: str
    bytes: int
    copy: str = ""


def clean(request: CleanRequest) -> int:
    """Lists what nobody needs, asks, and removes it; returns the exit code, 1 if something could not be removed.
    ConfigError if there is nobody to ask; nothing is removed then."""
    problems: list[str] = []
    found = list(_found(request, lambda note: print(note, file=sys.stderr)))
    if not request.as_json:
        print(_text(found))
    can_ask = sys.stdin.isatty()
    is_agreed = bool(found) and (request.is_agreed or (can_ask and is_yes("remove all of this?")))
    if is_agreed:
        problems = _removed(request, found)
        print("\n".join(problems or ["all of this is removed"]), file=sys.stderr)
    if request.as_json:
        rows = [dataclasses.asdict(one) for one in found]
        print(json.dumps({"left": rows, "bytes": _total(found), "removed": is_agreed and not problems}, indent=1))
    if found and not is_agreed and not can_ask:
        raise ConfigError("clean", ["nothing was removed: there is no terminal to ask at; add --yes to remove it"])
    return FAILED if problems else OK


def is_yes(question: str) -> bool:
    """Asks on stderr and returns whether the answer, a line of stdin, is yes."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _total(found: list[Leftover]) -> int:
    return sum(one.bytes for one in found)


def _text(found: list[Leftover]) -> str:
    if not found:
        return "nothing is left behind"
    rows = [[one.what, one.sweep or None, size_text(one.bytes), one.path] for one in found]
    table = text_table(["what", "sweep", "size", "where"], rows)
    return f"{table}\n{len(found)} in all, {size_text(_total(found))}"


def _found(request: CleanRequest, note: Callable[[str], None]) -> Iterator[Leftover]:
    """Iterates over what nobody needs, of the machine and of the sweeps. `note`: is told which sweeps are left alone,
    and why."""
    if not request.name:
        yield from _of_machine()
    for folder in _folders(request):
        why = "it is running" if is_held(folder / FILE) else f"{folder} is a link" if folder.is_symlink() else ""
        try:
            yield from () if why else _of_sweep(request, Journal(folder / FILE), note)
        except DataError as error:
            why = str(error)
        if why:
            note(f"sweep {folder.name} is left alone: {why}")


def _folders(request: CleanRequest) -> list[Path]:
    return [request.storage / request.name] if request.name else sweeps(request.storage)


def _of_machine() -> Iterator[Leftover]:
    for session in dead_sessions():
        yield _leftover(SESSION, "", session)
    for folder in left_folders():
        yield _leftover("temporary folder", "", folder)


def _of_sweep(request: CleanRequest, journal: Journal, note: Callable[[str], None]) -> Iterator[Leftover]:
    """Iterates over what nobody needs of a sweep that does not run. Training states that an explicit `--keep` last or
    all keeps are left out unless the sweep is named; copies, if the sweep's URI does not answer, which `note` is
    told."""
    sweep, folder = journal.sweep, journal.path.parent
    is_wanted = "keep" in sweep.plan and sweep.keep != KEEP_BEST and sweep.plan.get("recipe") != CONFIRMED
    states = bool(request.name) or not is_wanted
    for path in surplus(journal, with_states=states, with_weights=request.weights):
        yield _leftover(WEIGHTS if path.name == BEST else STATE, folder.name, path)
    if (folder / RAY).is_dir() and not (folder / RAY).is_symlink():
        yield _leftover("Ray's folder", folder.name, folder / RAY)
    for path in _parts(folder):
        yield _leftover(PART, folder.name, path)
    try:
        there = copies(sweep.checkpoints, sweep.name) if sweep.checkpoints else {}
    except MirrorError as error:
        note(f"the copies of sweep {folder.name} are left alone: {error}")
        return
    chosen = surplus_copies(journal, there, with_states=states, with_weights=request.weights)
    for copy in [*chosen, *(copy for copy in there if is_part(PurePosixPath(copy).name))]:
        what = PART if is_part(PurePosixPath(copy).name) else WEIGHTS if copy.endswith(BEST) else STATE
        shown = redacted(f"{sweep.checkpoints.rstrip('/')}/{sweep.name}/trials/{copy}")
        yield Leftover(what, folder.name, shown, there[copy], copy)


def _leftover(what: str, sweep: str, path: Path) -> Leftover:
    return Leftover(what, sweep, str(path), size_below(path))


def _parts(folder: Path) -> Iterator[Path]:
    """Iterates over the temporary files of writes that were cut short, below a sweep's folder; links are not
    followed."""
    for home, folders, files in os.walk(folder):
        if RAY in folders:
            folders.remove(RAY)
        for name in sorted(files):
            path = Path(home, name)
            if is_part(name) and not path.is_symlink() and time.time() - path.lstat().st_mtime > QUIET_S:
                yield path


def _removed(request: CleanRequest, found: list[Leftover]) -> list[str]:
    """Removes what was found before and is still not needed, a sweep's under the lock of its journal; returns a message
    for each that could not be removed."""
    problems: list[str] = []
    agreed = {one.path for one in found}
    for one in () if request.name else _of_machine():
        if one.path in agreed and one.what == SESSION:
            remove_session(Path(one.path))
        if one.path in agreed:
            _remove(one, problems)
    for folder in _folders(request):
        if folder.is_symlink() or folder.name not in {one.sweep for one in found}:
            continue
        journal = Journal(folder / FILE)
        try:
            journal.lock()
        except (InputError, OSError) as error:
            problems.append(f"sweep {folder.name}: {error}")
            continue
        try:
            mine = [one for one in _of_sweep(request, journal, problems.append) if one.path in agreed]
            for one in mine:
                if not one.copy:
                    _remove(one, problems)
            if there := [one.copy for one in mine if one.copy]:
                discard_copies(journal.sweep.checkpoints, journal.sweep.name, there)
        except MirrorError as error:
            problems.append(str(error))
        finally:
            journal.unlock()
    return problems


def _remove(one: Leftover, problems: list[str]) -> None:
    try:
        remove(Path(one.path))
    except OSError as error:
        problems.append(f"{one.path} could not be removed: {error.strerror or one_line(error)}")
