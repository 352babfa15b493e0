"""Run folder on disk: best.safetensors, latest/, epoch_NNNN/, log.tsv and config.yaml."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from spaces.errors import ConfigError
from spaces.files import write_text
from spaces.schema import config_id, dump

from ..config import TrainConfig, read_config
from ..engines.engine import Report, State
from ..weights.checkpoint import load_state, save_state, save_weights
from .names import BEST, CONFIG, LATEST, LOG, SNAPSHOT, STATE, is_output, is_part

COLUMNS = ("epoch", "lr", "loss", "seconds")


class RunFolder:
    """Output folder of one run. A folder that holds another config's run is refused, never overwritten. `former`: ids
    of the configs that differ from `config` in a smaller number of epochs alone and whose run it continues."""

    def __init__(
        self, path: Path, config: TrainConfig, *, has_snapshots: bool = True, former: Collection[str] = ()
    ) -> None:
        self.path = path
        self.config = config
        self._former = former
        self._every = config.loop.snapshot_epochs if has_snapshots else 0

    @property
    def best(self) -> Path:
        """Path of the weights of the best epoch: lowest `loop.select`, or the last (`loop.keep`)."""
        return self.path / BEST

    @property
    def latest(self) -> Path:
        """Path of the state after the last finished epoch."""
        return self.path / LATEST

    def resume_state(self) -> State | None:
        """Loads the state where an earlier run of this very config stopped; None in a new folder."""
        config_file = self.path / CONFIG
        if config_file.exists():
            held = read_config(config_file)
            if config_id(held) not in (config_id(self.config), *self._former):
                found = f"holds a run of config {config_id(held)}, this one is {config_id(self.config)}"
                raise ConfigError(str(self.path), [f"{found}; choose another --out"])
        elif self.path.exists() and not all(is_output(file.name) or is_part(file.name) for file in self.path.iterdir()):
            raise ConfigError(str(self.path), ["is not empty and holds no run of ours; choose another --out"])
        if not self.latest.exists():
            return None
        state = load_state(self.latest)
        if state["config_id"] in self._former:
            state |= {"config_id": config_id(self.config), "config": dump(self.config)}
        return state

    def begin(self) -> None:
        """Writes the config, so that the folder is identified before the first epoch ends."""
        write_text(self.path / CONFIG, dump(self.config))

    def record(self, report: Report, state: State) -> None:
        """Writes one epoch and the state after it. The best weights go first: a state that names a best epoch always
        finds it on disk."""
        if report.is_best:
            facts = {"epoch": report.epoch, **report.metrics}
            save_weights(self.best, report.engine.export(report.lane), self.config, facts)
        if self._every and report.epoch % self._every == 0:
            save_state(self.path / SNAPSHOT.format(report.epoch) / STATE, state)
        save_state(self.latest, state)
        self.write_log(state)

    def write_log(self, state: State) -> None:
        """Writes log.tsv from the state's own history: after a resume it holds every epoch once."""
        rows = state["history"]
        names = [*COLUMNS, *(name for name in dict.fromkeys(key for row in rows for key in row) if name not in COLUMNS)]
        lines = ["\t".join(names), *("\t".join(_cell(row.get(name)) for name in names) for row in rows)]
        write_text(self.path / LOG, "\n".join(lines) + "\n")


def _cell(value: float | int | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
