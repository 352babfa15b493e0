"""Growth of a sweep: what an enlargement puts on record, and the copy of a sweep that a fork starts from. Imports no
Ray."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path

from spaces.errors import InputError
from trainables.runs.names import BEST, LATEST, STATE

from ..decisions.growth import trials_to_go_on
from ..executors.mirror import copies, copy_all
from ..record.history import fork_journal
from ..record.journal import FILE, Journal, trial_folder
from ..record.plan import Plan
from ..record.records import KEEP_BEST, ExtendRow
from ..record.trial import EPOCHS, Trial


def enlarged(journal: Journal, plan: Plan, row: ExtendRow) -> list[str]:
    """Puts an enlargement on record, with the trials that go on from their training state, and returns lines that say
    what comes. `journal`: locked; `plan`: that of the enlarged sweep; `row`: the enlargement without these trials."""
    wanted = trials_to_go_on(plan, journal.trials.values())
    there, waiting = (_with_state(journal, trials) for trials in wanted)
    names, waits = _named(there), _named(waiting)
    spent = sum(trial.last_epoch for trial in journal.trials.values())
    before = journal.sweep
    again, paused = (tuple(trial.number for trial in trials) for trials in (there, waiting))
    journal.append(row.changed(again=again, waiting=paused))
    lines = [
        f"sweep {before.name} is enlarged from {before.trials} trials of {before.knob(EPOCHS)} epochs to "
        f"{plan.sweep.trials} of {plan.base.loop.epochs}; the {spent} epochs that it has trained count"
    ]
    if there:
        lines.append(f"from their last epoch go on: {names}")
    if waiting:
        lines.append(f"wait again for a promotion: {waits}")
    if left := [trial for trials in wanted for trial in trials if trial not in there and trial not in waiting]:
        why = "--keep best keeps none of ended trials" if before.keep == KEEP_BEST else "it is not on this machine"
        lines.append(f"as they are stay, for want of a training state ({why}): {_named(left)}")
    if paced := plan.base.paced if (there or waiting) and row.epochs else ():
        lines.append(
            f"note: {', '.join(paced)} follows the length of a run; the first {before.knob(EPOCHS)} epochs of these "
            "trials were trained on the shorter schedule, and `train` of their configs is another run"
        )
    return lines


def _named(trials: Iterable[Trial]) -> str:
    return ", ".join(f"trial {trial.number} ({trial.state} after epoch {trial.last_epoch})" for trial in trials)


def _with_state(journal: Journal, trials: list[Trial]) -> list[Trial]:
    """Selects the trials whose last training state is in the sweep's folder or at its URI."""
    uri, folder = journal.sweep.checkpoints, journal.path.parent
    far = copies(uri, journal.sweep.name) if uri and trials else {}
    return [
        trial
        for trial in trials
        if (trial_folder(folder, trial.number) / LATEST).is_file() or f"{trial.number:04d}/{LATEST}" in far
    ]


def copied(source: Path, folder: Path) -> None:
    """Makes the sweep in `folder` from the state of the one in `source`, with its trials' files: all of it or nothing.
    InputError if a file cannot be written; MirrorError if the checkpoint store does not answer."""
    old = Journal(source / FILE)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        part.chmod(0o755)
        for trial in old.trials:
            if (home := trial_folder(source, trial)).is_dir():
                shutil.copytree(home, trial_folder(part, trial), symlinks=True, copy_function=_linked)
        if old.sweep.checkpoints:
            copy_all(old.sweep.checkpoints, old.sweep.name, folder.name)
        # Last, as a folder with a journal is a sweep.
        fork_journal(old.path, part, folder.name, uuid.uuid4().hex)
        if folder.exists():  # empty, as was checked
            shutil.rmtree(folder)
        part.rename(folder)
    except (OSError, shutil.Error) as error:
        raise InputError(str(folder), [f"cannot be made: {error}"]) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _linked(source: str, target: str) -> str:
    """Links weights and training states, which are only ever replaced as a whole, so that a fork takes no room; copies
    whatever else there is, and these where links are impossible."""
    if Path(source).name in (BEST, STATE):
        try:
            os.link(source, target)
            return target
        except OSError:  # another disk, or one without links
            pass
    return shutil.copy2(source, target)
