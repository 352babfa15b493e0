"""HumanEva-I and MPI-INF-3DHP: what counts in a score, the tables of their papers, and how weights were chosen."""

import argparse
import types

import pytest
import torch

from data.batches.poses import DataModule
from data.config import DataConfig, chosen_data
from data.formats.source import read_poses, split_of
from data.poses.skeleton import MPI_INF_3DHP_17
from spaces.errors import ConfigError
from spaces.schema import dump
from tests.made.poses import module_3dhp, write_both
from tests.made.small import pose_models
from tests.trainables.models.test_models import random_batch
from trainables import registry
from trainables.cli.evaluate import add_evaluate_options, check_evaluate
from trainables.cli.train import TrainRequest
from trainables.config import default_config
from trainables.engines.fused import FusedEngine
from trainables.engines.single import SingleEngine
from trainables.runs.evaluate import evaluate_weights, selection_of
from trainables.runs.train import open_data, train
from trainables.scoring.evaluation import score_poses
from trainables.scoring.metrics import Sums, auc, pck
from trainables.scoring.protocols import PROTOCOLS
from trainables.scoring.tables import table, table_text
from trainables.weights.checkpoint import save_weights

MADE_3DHP = {"data.train_subjects": "S1", "data.val_subjects": "S3", "data.test_subjects": "TS1,TS6"}
MADE_HUMANEVA = {
    "data.train_subjects": "Train/S1", "data.val_subjects": "Validate/S2", "data.test_subjects": "Validate/S2",
}  # fmt: skip
MADE = {"made_3dhp": MADE_3DHP, "made_humaneva15": MADE_HUMANEVA}

every_model = pytest.mark.parametrize("model", pose_models())
every_skeleton = pytest.mark.parametrize("data", ["h36m", "humaneva", "3dhp"])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_both(tmp_path_factory.mktemp("store"))


def tiny_run(model, data, root="store", **changes):
    """A run that trains in a second on the data of `--data`."""
    settings = registry.get(model).tiny | chosen_data(data) | MADE.get(data, {}) | {"data.root": str(root)}
    if "3dhp" in data and "data.views" in settings:
        settings["data.views"] = 1  # the cameras of a sequence share no world
    return default_config(model, {**settings, "loop.epochs": 1, **changes}, "tests")


def test_training_sees_every_frame_of_every_camera(root):
    run = tiny_run("graformer", "made_3dhp", root)
    assert open_data(run, ("train", "val"), torch.device("cpu")).count("train") == 8 * 4


# --- PCK and AUC


def misses(errors_mm):
    """Predictions [1, J, 3] that miss by so many millimetres."""
    pred = torch.zeros(1, len(errors_mm), 3, dtype=torch.float64)
    pred[0, :, 1] = torch.tensor(errors_mm, dtype=torch.float64) / 1000
    return pred, torch.zeros_like(pred)


def test_pck_and_auc_of_3dhp_count_fourteen_joints_strictly_within_150_mm():
    pred, true = misses([150, 149.9, 200, 5] + [0] * 10 + [900, 900, 900])
    metrics = PROTOCOLS["3dhp"].metrics
    # Within 150 mm: all but the first and the third of 14; pelvis, spine and head are not asked.
    assert float(metrics["pck_150mm"](pred, true)) == pytest.approx(12 / 14)
    # Thresholds above the error, of 0, 5, ..., 150: none, the last, none, those from 10 on, ten times all but the 0.
    assert float(metrics["auc_150mm"](pred, true)) == pytest.approx((0 + 1 + 0 + 29 + 10 * 30) / 31 / 14)
    assert float(metrics["auc_150mm"](true, true)) == pytest.approx(30 / 31)


def test_auc_is_the_mean_of_pck_over_its_thresholds_and_nan_is_a_miss():
    pred, true = 0.1 * torch.randn(40, 14, 3), torch.zeros(40, 14, 3)
    curve = torch.stack([pck(pred, true, within) for within in range(0, 151, 5)])
    torch.testing.assert_close(auc(pred, true), curve.mean(0))  # float64 sums in another order
    pred[3] = torch.nan
    assert (float(pck(pred, true)[3]), float(auc(pred, true)[3])) == (0, 0)


# --- scores and tables


def scored_3dhp(root):
    """TS1 off by 31 mm, TS6 by 160 mm, except that what does not count is far off."""
    data, _ = module_3dhp(root)
    truth = data.truth("test")
    off = torch.where(truth.subject == data.subjects.index("TS1"), 0.031, 0.16).double()
    off[~truth.valid] = torch.nan
    poses = truth.pose3d + off[:, None, None] * torch.tensor([0.0, 0.0, 1.0])
    return data, poses


def test_only_valid_frames_count_the_root_does_not_and_scenes_weigh_by_frames(root):
    data, poses = scored_3dhp(root)
    found = table(score_poses(poses, data, "test", 0, 0, 11), data, {})
    one, two = 31 * 16 / 17, 160 * 16 / 17  # the root is exact in any prediction
    near = pytest.approx
    assert found["per_subject"]["TS1"]["mpjpe_mm"] == near(one)
    assert found["per_subject"]["TS6"]["mpjpe_mm"] == near(two)
    assert found["metrics"]["frame_mean"]["mpjpe_mm"] == near((4 * one + 3 * two) / 7)
    assert found["metrics"]["action_mean"]["mpjpe_mm"] == near((one + two) / 2)
    assert found["metrics"]["frame_mean"]["pck_150mm"] == near(4 / 7)
    assert found["metrics"]["frame_mean"]["auc_150mm"] == near(4 / 7 * 24 / 31)  # 35, 40, ..., 150
    assert found["protocol"]["scored_poses_per_subject"] == {"TS1": 4, "TS6": 3}
    assert list(found["per_scene"]) == ["studio, green screen", "outdoors"]
    assert found["per_scene"]["outdoors"]["mpjpe_mm"] == near(two)
    assert found["metrics"]["frame_mean"]["mpjve_mm"] == near(0, abs=1e-9)  # constant offsets; float64 rounding


def test_the_table_of_humaneva_has_every_action_of_every_subject():
    config = DataConfig(name="humaneva", joints=15)
    data = types.SimpleNamespace(config=config, actions=("Walking", "Box"), subjects=("Validate/S1", "Validate/S2"))
    sums = Sums(4)
    # Walking: S1 has 10 and 20 mm, S2 has 40 mm; Box: S1 has none, S2 has 70 mm.
    sums.add("mpjpe_mm", torch.tensor([10.0, 20, 40, 70]), torch.tensor([0, 0, 1, 3]))
    sums.add("p_mpjpe_mm", torch.tensor([1.0, 1, 1, 1]), torch.tensor([0, 0, 1, 3]))
    facts = {"model": "m", "data": "humaneva", "subjects": data.subjects, "scored_poses": 4, "keypoints": "gt",
             "joints": 15, "frames": 27, "views": 1, "flip": True, "mesh": "", "weights_epoch": 3,
             "selection": "s"}  # fmt: skip
    found = table(sums, data, facts)
    assert found["per_action_and_subject"]["Box"] == {"Validate/S2": {"mpjpe_mm": 70.0, "p_mpjpe_mm": 1.0}}
    lines = [line.split("  ") for line in table_text(found).splitlines()]
    rows = {line[0]: [float(cell) if cell.strip("- ") else None for cell in line[1:] if cell] for line in lines[2:6]}
    assert rows == {
        "Walking": [15, 40, pytest.approx(23.3)],
        "Box": [None, 70, 70],
        "action mean": [15, 55, pytest.approx(46.7)],
        "frame mean": [15, 55, 35],
    }
    assert lines[0][0].endswith("15 joints, 27 frame(s), 1 view(s), flip averaged; weights of epoch 3, s")


def test_merged_groups_pool_their_frames(root):
    data, poses = scored_3dhp(root)
    sums = score_poses(poses, data, "test", 0, 0, 11)
    pooled = sums.merged([0] * sums.num_groups, 1).per_group(["both"])
    assert pooled["both"] == pytest.approx(sums.frame_mean())
    assert sums.merged([-1] * sums.num_groups, 1).per_group(["none"]) == {}


@pytest.mark.parametrize("cut", range(12))
def test_parts_of_the_frames_scored_apart_add_up(root, cut):
    data, poses = scored_3dhp(root)
    whole = score_poses(poses, data, "test", 0, 0, 11)
    parts = [(max(low - 1, 0), low, high) for low, high in ((0, cut), (cut, 11))]
    sums = [score_poses(poses[first:high], data, "test", first, low, high) for first, low, high in parts]
    for name in whole.total:
        for kind in ("total", "count"):
            added = sum(getattr(one, kind)[name] for one in sums)
            torch.testing.assert_close(added, getattr(whole, kind)[name])  # float64 sums in another order


@every_model
@pytest.mark.parametrize("data", MADE)
def test_every_model_trains_and_is_scored_by_the_protocol_of_the_set(model, data, root, tmp_path):
    run = tiny_run(model, data, root)
    assert train(TrainRequest(config=run, out=tmp_path / "run", resume=None, init=None)) == 0
    found = evaluate_weights(run, tmp_path / "run" / "best.safetensors", flip=True)
    assert set(found) >= {"metrics", "per_action", "per_subject", "protocol"}
    assert found["protocol"]["joints"] == run.data.sizes.skeleton.num_joints
    text, log = table_text(found), (tmp_path / "run" / "log.tsv").read_text().splitlines()[0]
    assert (
        ("pck_150mm %" in text)
        == ("val/pck_150mm" in log.split("\t"))
        == ("pck_150mm" in found["metrics"]["frame_mean"])
    )
    if data == "made_3dhp":
        assert "TS1 (4 frames)" in text
        assert "all, by frames" in text
        assert "lowest val/mpjpe_mm of S3, not scored here" in text
    else:
        assert "p_mpjpe_mm   Validate/S2" in text
        assert set(found["per_action_and_subject"]["Jog"]) == {"Validate/S2"}
        assert "selected on the scored subjects Validate/S2" in text


@pytest.mark.parametrize("model", [name for name in pose_models() if not tiny_run(name, "made_3dhp").traits.unfusable])
def test_a_lane_of_an_array_is_scored_by_the_protocol_as_a_solo_run(model, root):
    run = tiny_run(model, "made_3dhp", root, **{"data.train_subjects": "S1", "data.val_subjects": "TS1,TS6"})
    poses, split = read_poses(run.data, ("train", "val"))
    data = DataModule(poses, split, run.data, dtype=torch.float64)
    solo, array = SingleEngine(dtype=torch.float64), FusedEngine(2, dtype=torch.float64)
    found = []
    for engine in (solo, array):
        engine.join(0, run)
        engine.train_epoch(data)
        found.append(engine.evaluate(data, [0])[0])
    assert set(found[0]) >= {"val/mpjpe_mm", "val/pck_150mm", "val/auc_150mm", "val/mpjve_mm"}
    assert found[0] == pytest.approx(found[1], rel=1e-6)  # float64 sums in another order, grown over an epoch


@every_model
@every_skeleton
def test_every_model_keeps_its_contract_on_every_skeleton(model, data):
    run = tiny_run(model, data)
    parts = registry.get(model)
    torch.manual_seed(0)
    network, batch = parts.build(run.network, run.data.sizes), random_batch(run.data.sizes)
    prediction = network(batch)
    poses = parts.poses(prediction)
    assert poses.shape == batch.pose3d.shape
    sum(parts.terms(prediction, batch, run.objective).values()).backward()
    wanting = [one for one in network.parameters() if one.requires_grad]
    assert all(one.grad is not None and one.grad.isfinite().all() for one in wanting)
    if model in ("graformer", "sgraformer"):
        root = run.data.sizes.skeleton.root
        assert not poses[:, :, root].any()
        assert poses.abs().sum((0, 1, 3)).count_nonzero() == run.data.sizes.skeleton.num_joints - 1


# --- how weights were chosen, and whether they fit


def test_the_table_says_how_the_epoch_was_chosen():
    def told(made_with, scored_on, facts=None):
        made_by = tiny_run("graformer", made_with[0], **made_with[1])
        return selection_of(made_by, facts or {}, split_of(tiny_run("graformer", scored_on[0], **scored_on[1]).data))

    plain = {}
    assert told(("3dhp", plain), ("3dhp", plain)) == "lowest val/mpjpe_mm of S8, not scored here"
    published = "lowest val/mpjpe_mm: selected on the test subjects, as published"
    for name in ("h36m_authors", "cmu_yardstick", "humaneva_authors", "3dhp_authors"):
        assert told((name, plain), (name, plain)) == published
    assert told(("3dhp_authors", plain), ("3dhp", plain)) == published
    assert told(("3dhp_authors", plain), ("3dhp", {"data.test_subjects": "S8"})).endswith("trained on S8, scored here")
    chosen = told(("h36m", {"data.val_subjects": "S9"}), ("h36m", plain))
    assert chosen == "lowest val/mpjpe_mm: selected on the scored subjects S9"
    assert "scored subjects" not in told(
        ("h36m_authors", plain), ("synthetic", plain)
    )  # other people of the same names
    assert told(("3dhp", plain), ("3dhp", plain), {"imported_from": "a.bin"}) == "chosen by its authors"


def test_weights_of_as_many_joints_in_another_order_are_refused(root, tmp_path):
    made_by = tiny_run("poseformer", "h36m", root)
    network = registry.get("poseformer").build(made_by.network, made_by.data.sizes)
    save_weights(tmp_path / "w.safetensors", network.state_dict(), made_by, {"epoch": 1})
    (tmp_path / "c.yaml").write_text(dump(made_by))
    parser = argparse.ArgumentParser()
    add_evaluate_options(parser)
    line = f"{tmp_path}/c.yaml --weights {tmp_path}/w.safetensors --data made_3dhp"
    request = check_evaluate(parser.parse_args(line.split()))
    assert request.config.data.sizes.skeleton is MPI_INF_3DHP_17
    with pytest.raises(ConfigError, match="skeleton = h36m_17 in the weights, mpi_inf_3dhp_17 in the config"):
        evaluate_weights(request.config, request.weights, flip=False)
