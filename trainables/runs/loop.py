"""Training loop `fit`: the same in a bare run, under Ray Train, and over many fused trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from torch import Tensor

from data.batches.samples import Samples

from .. import registry
from ..config import TrainConfig
from ..engines.engine import Engine, Report, State, Verdict, build_network
from ..engines.single import SingleEngine
from .features import attach_features
from .folder import RunFolder
from .memory import memory_line

Offer = Callable[[Report], None]
Collect = Callable[[], Iterable[Verdict]]


def fit(engine: Engine, data: Samples, offer: Offer, collect: Collect) -> None:
    """Trains until every lane has left. After each epoch `offer` gets a Report per lane; `collect` gives the verdicts
    that have arrived, each naming its lane and the epoch it judges."""
    while engine.lanes:
        losses = engine.train_epoch(data)
        metrics = engine.evaluate(data, [lane for lane, loss in losses.items() if not loss.diverged])
        for lane in tuple(engine.lanes):
            offer(engine.report(lane, losses[lane], metrics.get(lane, {})))
        for verdict in collect():
            engine.apply(verdict)


def first_weights(config: TrainConfig, root: Path) -> dict[str, Tensor] | None:
    """Returns the initial weights of a fresh run that takes some of them from files, whose relative paths start at the
    folder `root`; None when its seed decides all. DataError or ConfigError say what is wrong with a file."""
    model = registry.get(config.model)
    if model.begin is None:
        return None
    network = build_network(model, config)
    model.begin(network, config.network, root)
    return network.state_dict()


class Judge:
    """Scheduler of a run outside a sweep: goes on to the last epoch, stops at a divergence."""

    def __init__(self) -> None:
        self._waiting: list[Verdict] = []

    def hear(self, report: Report) -> None:
        """Takes a report; its verdict is given at the next `verdicts`."""
        stop = report.is_last or bool(report.losses.diverged)
        self._waiting.append(Verdict(report.lane, report.epoch, stop))

    def verdicts(self) -> list[Verdict]:
        """Returns the verdicts on the reports since the last call."""
        given, self._waiting = self._waiting, []
        return given


def train_alone(
    config: TrainConfig,
    data: Samples,
    folder: RunFolder,
    engine: SingleEngine,
    state: State | None,
    tell: Offer,
    weights: dict[str, Tensor] | None = None,
    ready: Callable[[SingleEngine], None] = lambda engine: None,
) -> None:
    """Trains one run in this process, or this rank's part of it, saved in `folder` by rank 0; `tell` gets the report of
    every epoch after it is on disk. `weights` start a fresh run instead of its seed's; `ready` is called with the
    engine once its network and the data are in place, before the first epoch."""
    root = Path(data.config.root)
    attach_features(data, config, root)
    if state is None and weights is None:
        weights = first_weights(config, root)
    engine.join(0, config, state, weights)
    if state is not None and state["epoch"] >= config.loop.epochs:
        return
    ready(engine)
    if line := memory_line(engine, config, data):
        print(line, flush=True)
    judge = Judge()

    def offer(report: Report) -> None:
        if engine.team.rank == 0 and not report.losses.diverged:
            folder.record(report, engine.state(report.lane))
        tell(report)
        judge.hear(report)

    fit(engine, data, offer, judge.verdicts)
