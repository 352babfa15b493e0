"""Sweeps made by hand, a plan without data and a journal without training, and what the command line says of them."""

from search.record.journal import Trial, create
from search.record.plan import SweepConfig, make_plan
from spaces.cli import main
from spaces.schema import config_id, tree_of

OBJECTIVE = "val/mpjpe_mm"

FACTS = {
    "revision": "0123abcd",
    "versions": {"python": "3.11.7", "torch": "2.13.0", "ray": "2.60.0"},
    "data": {"set": "tiny", "keypoints": "gt", "fingerprint": "0f3a91c2de44", "train": ["S1"], "val": ["S8"]},
    "machine": "here",
    "command": "python -m search launch graformer",
}

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
    """The plan of a small sweep; `options` are those of SweepConfig."""
    changes = {"data.name": "tiny", **({"loop.epochs": epochs} if epochs else {}), **dict(changes)}
    return make_plan(name, SweepConfig(**{"recipe": "small", **options}), str(space), changes)


def made_journal(storage, plan):
    """The journal of a new sweep of this plan under a storage folder, locked."""
    sweep = {
        "id": f"id-of-{plan.name}",
        "name": plan.name,
        "model": plan.base.model,
        "plan": tree_of(plan.sweep),
        "space": plan.space_text,
        "base": tree_of(plan.base),
        "pinned": list(plan.pinned),
        "points": list(plan.points),
        "facts": FACTS,
    }
    return create(storage / plan.name, sweep)


def book(journal, plan, point, scores, state="finished", reason=""):
    """Puts a whole trial on record: born, started, its epochs with these scores, and its end unless it runs."""
    number, config = len(journal.trials), plan.config(point)
    journal.append("trial", trial=number, point=point, config_id=config_id(config), config=tree_of(config))
    if state == "waiting":
        return
    journal.append("attempt", trial=number, attempt=1, after_epoch=0)
    for epoch, score in enumerate(scores, 1):
        journal.append("epoch", trial=number, **row(epoch, score))
    if state != "running":
        journal.append("end", trial=number, state=state, epoch=len(scores), reason=reason)


def row(epoch, score):
    """What one epoch puts on record."""
    return {"epoch": epoch, "metrics": {OBJECTIVE: score}, "loss": score / 1000, "lr": 1e-3, "seconds": 0.5}


def report(epoch, score, diverged=""):
    """What a trial reports after one epoch."""
    return {**row(epoch, score), "diverged": diverged}


def trial(number, scores=(), state="finished", point=None, epochs=8):
    """A trial as a journal would hold it, with these scores from epoch 1 on."""
    config = {"loop": {"epochs": epochs}}
    metrics = {epoch: {OBJECTIVE: score} for epoch, score in enumerate(scores, 1)}
    return Trial(number, point or {}, config, f"{number:010x}", state=state, epochs=metrics)


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
