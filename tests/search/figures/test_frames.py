"""The tables of a sweep: what stands in them, and who is on the front."""

import math

import numpy as np
import pytest

from search.decisions.fronts import is_undominated
from search.figures.frames import front_frame, trials_frame
from search.record.journal import Journal
from search.record.records import AttemptRow, EndRow, EpochRow, TrialRow
from spaces.errors import ConfigError
from spaces.schema import config_id
from tests.made.sweeps import OBJECTIVE, book, made_journal, made_plan

OTHER = "val/p_mpjpe_mm"
FIXED = ["trial", "state", "score", "epochs", "config_id", "attempts", "seconds"]


@pytest.fixture
def plan():
    return made_plan(trials=5)


@pytest.fixture
def journal(tmp_path, plan):
    """Five trials: the recipe, a pruned one, the best, a diverged one, one that has just begun."""
    journal = made_journal(tmp_path, plan)
    book(journal, plan, {"optim.lr": 1e-3, "network.layers": 2}, [60.0, 52.0, 53.0])
    book(journal, plan, {"optim.lr": 2e-3, "network.layers": 2}, [70.0], "pruned", "asha: epoch 1")
    book(journal, plan, {"optim.lr": 4e-3, "network.layers": 3}, [61.0, 48.5])
    book(journal, plan, {"optim.lr": 9e-3, "network.layers": 4}, [math.nan], "diverged", "loss is nan")
    book(journal, plan, {"optim.lr": 5e-3, "network.layers": 4}, [], "running")
    yield journal
    journal.unlock()


def test_the_table_has_the_best_first_and_a_column_per_knob_and_metric(journal, plan):
    frame = trials_frame(journal)
    assert list(frame.columns) == [*FIXED, "optim.lr", "network.layers", OBJECTIVE]
    assert list(frame["trial"]) == [2, 0, 1, 3, 4]
    assert list(frame["state"]) == ["finished", "finished", "pruned", "diverged", "running"]
    assert list(frame["score"][:3]) == [48.5, 52.0, 70.0]
    assert frame["score"][3:].isna().all()
    assert list(frame["epochs"]) == [2, 3, 1, 1, 0]
    assert list(frame["seconds"]) == [1.0, 1.5, 0.5, 0.5, 0.0]  # half a second an epoch
    assert list(frame["attempts"]) == [1] * 5
    assert list(frame["optim.lr"]) == [4e-3, 1e-3, 2e-3, 9e-3, 5e-3]
    assert list(frame["network.layers"]) == [3, 2, 2, 4, 4]
    assert list(frame[OBJECTIVE][:3]) == [48.5, 52.0, 70.0]  # the recipe's at its best epoch, not its last
    assert frame["config_id"][0] == config_id(plan.config({"optim.lr": 4e-3, "network.layers": 3}))
    assert [frame[name].dtype.kind for name in ("trial", "score", "epochs", "attempts", "seconds")] == list("ifiif")


def test_a_knob_that_a_trial_lacks_is_nan(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    book(journal, plan, {"optim.lr": 1e-3, "network.layers": 2}, [60.0])
    book(journal, plan, {"optim.lr": 2e-3}, [59.0])
    journal.unlock()
    frame = trials_frame(journal).set_index("trial")
    assert frame["network.layers"][0] == 2
    assert math.isnan(frame["network.layers"][1])


def test_a_sweep_that_has_just_begun_gives_an_empty_table(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    journal.unlock()
    frame = trials_frame(journal)
    assert list(frame.columns) == FIXED
    assert len(frame) == 0


def test_seconds_are_summed_over_the_attempts_of_a_trial(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [60.0], "stopped", "time budget")
    journal.append(AttemptRow(trial=0, attempt=2, after_epoch=1))
    journal.append(EpochRow(trial=0, epoch=2, metrics={OBJECTIVE: 50.0}, seconds=3.0, lr=1e-3, loss=0.1))
    journal.append(EndRow(trial=0, state="finished", epoch=2, reason=""))
    journal.unlock()
    (row,) = trials_frame(Journal(journal.path)).to_dict("records")
    assert (row["attempts"], row["seconds"], row["score"]) == (2, 3.5, 50.0)


# --- fronts


def measured(journal, plan, number, **metrics):
    """Books a trial of one epoch with these metrics, of `val/`."""
    point = {"optim.lr": 1e-3 * (number + 1)}
    journal.append(TrialRow(trial=number, point=point, config_id=config_id(plan.config(point))))
    journal.append(AttemptRow(trial=number, attempt=1, after_epoch=0))
    named = {f"val/{name}": value for name, value in metrics.items()}
    journal.append(EpochRow(trial=number, epoch=1, metrics=named, seconds=1.0, lr=1e-3, loss=0.1))
    journal.append(EndRow(trial=number, state="finished", epoch=1, reason=""))


def test_the_front_has_whoever_no_other_beats(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    for number, (one, other) in enumerate([(50, 40), (48, 42), (49, 41), (51, 43), (48, 45), (60, 39)]):
        measured(journal, plan, number, mpjpe_mm=one, p_mpjpe_mm=other)
    journal.unlock()
    front = front_frame(journal, [OBJECTIVE, OTHER])
    assert list(front["trial"]) == [1, 2, 0, 5]
    assert list(front.columns) == list(trials_frame(journal).columns)
    assert list(front_frame(journal)["trial"]) == [1]  # of trials 1 and 4, both 48, the earlier one
    assert list(front_frame(journal, [OTHER])["trial"]) == [5]


def test_of_a_share_the_highest_is_best(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    for number, (error, share) in enumerate([(50, 0.9), (48, 0.7), (49, 0.6)]):
        measured(journal, plan, number, mpjpe_mm=error, pck_150mm=share)
    journal.unlock()
    assert list(front_frame(journal, [OBJECTIVE, "val/pck_150mm"])["trial"]) == [1, 0]
    assert list(front_frame(journal, ["val/pck_150mm"])["trial"]) == [0]


def test_a_trial_without_one_of_the_metrics_is_on_no_front(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    measured(journal, plan, 0, mpjpe_mm=50.0)
    measured(journal, plan, 1, mpjpe_mm=60.0, p_mpjpe_mm=40.0)
    journal.unlock()
    assert list(front_frame(journal, [OBJECTIVE, OTHER])["trial"]) == [1]


def test_an_unknown_metric_is_told_with_the_nearest(journal):
    with pytest.raises(ConfigError) as caught:
        front_frame(journal, ["val/mpjpe", "latency_ms"])
    first, second = caught.value.problems
    assert first == f"metric val/mpjpe: no trial has it; did you mean {OBJECTIVE}?; metrics here: {OBJECTIVE}"
    assert second.startswith("metric latency_ms: no trial has it")


@pytest.mark.parametrize("seed", range(5))
def test_the_undominated_rows_are_those_of_the_definition(seed):
    costs = np.random.default_rng(seed).integers(0, 6, (40, 3)).astype(float)
    beaten = [any((a <= b).all() and (a < b).any() for a in costs) for b in costs]
    assert list(~is_undominated(costs)) == beaten
