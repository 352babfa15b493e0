"""Costs of the trials of a sweep, and the limits on them: what is measured, what an epoch adds, which trial ends."""

from __future__ import annotations

from ..record.options.objectives import GPU_SECONDS, to_measure
from ..record.plan import SweepConfig
from ..record.records import EpochRow
from ..record.trial import Trial


class Costs:
    """Costs and limits of one sweep. `sweep`: its options. What it answers follows from the trial's records alone."""

    def __init__(self, sweep: SweepConfig) -> None:
        self._objectives, self._limits = sweep.objectives, sweep.limits
        self._counts_seconds = GPU_SECONDS in {*sweep.objectives, *(limit.metric for limit in sweep.limits)}
        self._devices = sweep.workers * (sweep.gpus_per_worker or 1.0)

    def to_measure(self, trial: Trial) -> tuple[str, ...]:
        """Lists the costs that an attempt at the trial measures before its first epoch: those that the sweep names and
        that no earlier attempt has put on record."""
        return to_measure(self._objectives, self._limits, trial.costs)

    def counted(self, trial: Trial, row: EpochRow) -> EpochRow:
        """Returns the record of an epoch, with the device seconds of all recorded epochs of the trial if the sweep
        names them: their durations times the GPUs of the trial, its workers where it has no GPU."""
        if not self._counts_seconds:
            return row
        spent = trial.epochs[trial.last_epoch].get(GPU_SECONDS, 0.0) if trial.last_epoch else 0.0
        metrics = {**row.metrics, GPU_SECONDS: spent + row.seconds * self._devices}
        return row.changed(metrics=metrics)

    def end_of(self, trial: Trial) -> str:
        """Says why a trial ends at once: a cost breaks its limit, or another epoch would break that of the device
        seconds. '' if it may go on; limits on errors end nobody, since errors fall."""
        for limit in self._limits:
            value = trial.costs.get(limit.metric)
            if value is not None and not value <= limit.most:
                return f"limit {limit.text}: {limit.metric} is {value:.6g}"
            if limit.metric == GPU_SECONDS and trial.last_epoch:
                spent = trial.epochs[trial.last_epoch].get(GPU_SECONDS, 0.0)
                next_one = spent * (trial.last_epoch + 1) / trial.last_epoch
                if next_one > limit.most:
                    return f"limit {limit.text}: another epoch would take it from {spent:.4g} to {next_one:.4g}"
        return ""
