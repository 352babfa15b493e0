"""Sweeps without training whose trials have weights, on data that are there: what can be scored."""

import dataclasses

import msgspec

from data.batches.samples import facts_of
from search.record.journal import create, trial_folder
from search.record.lines import Chain, read_rows
from search.record.plan import begun_by
from tests.made.small import TINY, write_tiny
from tests.made.sweeps import FACTS, OBJECTIVE, book, made_plan
from trainables import registry
from trainables.engines.engine import build_network
from trainables.runs.names import BEST, CONFIG
from trainables.weights.checkpoint import save_weights

RATES = (2e-3, 3e-3, 1e-3)  # of the trials; the last is the best


def weighty_sweep(storage, root, model="graformer", name="first", changes=(), frames=40):
    """A sweep of three trials on the tiny set, of which trial 2 is the best and trial 1 has no weights; returns its
    journal. `changes`: knobs set by hand; `frames`: of each clip."""
    if not any(root.glob("*")):
        write_tiny(root, frames=frames)
    data = {path: value for path, value in TINY.items() if path.startswith(("data.", "loop."))}
    return weighty(storage, model, name, {**data, "data.root": str(root), **registry.get(model).tiny, **dict(changes)})


def weighty(storage, model, name, changes):
    """The same with these knobs alone."""
    plan = made_plan(name, model, changes, epochs=0, trials=3)
    facts = msgspec.structs.replace(FACTS, data=facts_of(plan.base.data))
    journal = create(storage / name, begun_by(plan, f"id-of-{name}", facts))
    for number, (rate, score) in enumerate(zip(RATES, (60.0, 70.0, 50.0), strict=True)):
        book(journal, plan, {"optim.lr": rate}, [score + 1, score, score])
        if number != 1:
            put_weights(journal.path.parent, plan.config({"optim.lr": rate}), number, seed=number)
    journal.unlock()
    return journal


def put_weights(folder, config, number, seed):
    """Weights of a seed, as a worker leaves those of a trial after its second epoch."""
    model = registry.get(config.model)
    network = build_network(model, config_of_seed(config, seed))
    home = trial_folder(folder, number)
    home.mkdir(parents=True, exist_ok=True)
    save_weights(home / BEST, network.state_dict(), config, {"epoch": 2})


def config_of_seed(config, seed):
    return dataclasses.replace(config, loop=dataclasses.replace(config.loop, seed=seed))


def as_single(journal):
    """Makes a sweep the record of one run of `train`, whose weights lie in its own folder."""
    folder = journal.path.parent
    rows = [row for row, _ in read_rows(journal.path) if getattr(row, "trial", 0) == 0]
    rows[0] = rows[0].changed(plan={"objective": OBJECTIVE}, single=True)
    chain, lines = Chain(), []
    for row in rows:
        lines.append(chain.line_of(row))
        chain.advance(lines[-1])
    journal.path.write_bytes(b"".join(lines))
    (trial_folder(folder, 0) / BEST).rename(folder / BEST)
    (folder / CONFIG).write_text("config of the run")
