"""Sweeps made by hand, a plan without data and a journal without training, and what the command line says of them."""

from search.decisions.conductor import Conductor
from search.record.journal import FILE, Journal, create, trial_folder
from search.record.lines import read_rows
from search.record.plan import SweepConfig, begun_by, make_plan
from search.record.records import AttemptRow, EndRow, EpochRow, Facts, OpenRow, SweepRow, TrialRow
from search.record.trial import Terms, Trial
from search.results.follow import event_text
from spaces.cli import main
from spaces.schema import config_id
from trainables.runs.names import BEST, CONFIG, LATEST

OBJECTIVE = "val/mpjpe_mm"
SEVERAL = (OBJECTIVE, "val/p_mpjpe_mm", "val/mpjve_mm")

FACTS = Facts(
    revision="0123abcd",
    versions={"python": "3.11.7", "torch": "2.13.0", "ray": "2.60.0"},
    data={"set": "tiny", "keypoints": "gt", "fingerprint": "0f3a91c2de44", "train": ["S1"], "val": ["S8"]},
    machine="here",
    command="python -m search launch graformer",
)

# 2 widths x 2 depths, of which the recipe is one.
FOUR_POINTS = """
model: graformer
recipes:
  small: {network.width: 24, network.layers: 2, network.heads: 4, loop.epochs: 8}
search:
  network.width: {choice: [24, 32]}
  network.layers: {choice: [2, 3]}
"""


def made_plan(name="first", space="graformer", changes=(), epochs=8, **options):
    """The plan of a small sweep, in which no trial pauses; `options` are those of SweepConfig."""
    changes = {"data.name": "tiny", **({"loop.epochs": epochs} if epochs else {}), **dict(changes)}
    return make_plan(name, SweepConfig(**{"recipe": "small", "scheduler": "stopping", **options}), str(space), changes)


def made_journal(storage, plan):
    """The journal of a new sweep of this plan under a storage folder, locked."""
    return create(storage / plan.name, begun_by(plan, f"id-of-{plan.name}", FACTS))


def book(journal, plan, point, scores, state="finished", reason=""):
    """Puts a whole trial on record: born, started, its epochs with these scores, and its end unless it runs."""
    number = len(journal.trials)
    journal.append(TrialRow(trial=number, point=point, config_id=config_id(plan.config(point))))
    if state == "waiting":
        return
    journal.append(AttemptRow(trial=number, attempt=1, after_epoch=0))
    for epoch, score in enumerate(scores, 1):
        journal.append(row(number, epoch, score))
    if state != "running":
        journal.append(EndRow(trial=number, state=state, epoch=len(scores), reason=reason))


def row(trial, epoch, score):
    """What one epoch of a trial puts on record, and what the trial reports after it."""
    return EpochRow(trial=trial, epoch=epoch, metrics={OBJECTIVE: score}, loss=score / 1000, lr=1e-3, seconds=0.5)


def diverged(trial, epoch, reason="loss is nan"):
    """What a trial reports that diverged in an epoch."""
    return EndRow(trial=trial, state="diverged", epoch=epoch, reason=reason)


def made_sweep(**changes):
    """The first record of a sweep whose trials have eight epochs."""
    plan = {"objective": OBJECTIVE, "trials": 5, "recipe": "small"}
    fields = {"id": "x", "name": "first", "model": "graformer", "plan": plan, "base": {"loop": {"epochs": 8}}}
    return SweepRow(**{**fields, "facts": FACTS, **changes})


def trial(number, scores=(), state="finished", point=None, keep="lowest", sweep=None):
    """A trial as a journal would hold it, with these scores from epoch 1 on; a score of several objectives is a list of
    their values. `sweep`: the sweep's first record."""
    sweep = sweep or made_sweep(base={"loop": {"epochs": 8, "keep": keep}})
    made = Trial(number, point or {}, f"{number:010x}", Terms.of(sweep))
    made.state = state
    for epoch, score in enumerate(scores, 1):
        metrics = dict(zip(SEVERAL, score if isinstance(score, list | tuple) else [score], strict=False))
        made.book(epoch, metrics, tuple(metrics))
    return made


def answer_of(capsys, verbs, *words):
    """Exit code, stdout and stderr of a command line."""
    try:
        code = main("search", "about", verbs, [str(word) for word in words])
    except SystemExit as left:  # argparse leaves on its own
        code = left.code
    return code, *capsys.readouterr()


def files_below(folder):
    """Path -> content of everything in a folder, to see that nothing was written."""
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def write_files(folder, number, names=(BEST, LATEST, CONFIG, "log.txt")):
    """The files of a trial of the sweep in a folder, as its workers leave them."""
    for name in names:
        path = trial_folder(folder, number) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{name} of {number}".encode())


def opened(storage, name="first"):
    """The journal of a sweep, locked."""
    journal = Journal(storage / name / FILE)
    journal.lock()
    return journal


class Led:
    """A conductor over a journal on disk, led without Ray, and what it said."""

    def __init__(self, folder, plan, concurrent=2, journal=None):
        self.journal = journal if journal is not None else made_journal(folder, plan)
        self.said = []
        self.conductor = Conductor(self.journal, plan, concurrent, self.said.append, watch=self.saw)

    def saw(self, row):
        self.said.append(event_text(self.journal.state, row))

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
