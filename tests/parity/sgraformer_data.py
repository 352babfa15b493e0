"""Golden data of SGraFormer's data set and evaluation: hop tables, windows of four views, errors by action."""

import json
from collections.abc import Mapping

import numpy as np
import torch

from data.batches.poses import DataModule
from data.batches.truth import step_weights
from data.config import DataConfig
from data.poses.poseset import Camera, PoseSet, Sequence
from data.poses.skeleton import H36M_17
from data.poses.splits import Split
from trainables.entry import Prediction
from trainables.models.sgraformer.hops import published_hops, raw_hops
from trainables.models.sgraformer.objective import poses
from trainables.scoring.metrics import score_sequences

Archive = Mapping[str, np.ndarray]


def check(archive: Archive) -> None:
    """Assert every array of the archive."""
    np.testing.assert_array_equal(raw_hops(H36M_17, slip=True).numpy(), archive["hop_raw"])
    np.testing.assert_array_equal(published_hops(H36M_17).numpy(), archive["hops"])
    data = _module(archive)
    for mode in ("train", "test"):
        _check_windows(archive, data, mode)
    _check_scores(archive)


def _module(archive: Archive) -> DataModule:
    """The sequences through the whole data path, as training and as test split of one set."""
    cameras = tuple(_camera(view) for view in range(4))
    count = len([name for name in archive if name.startswith("seq3d_")])
    clips = []
    for number in range(count):
        # Images of 2 x 2 pixels: pixels are screen units plus 1, without rounding in float64.
        seen = archive[f"seq2d_{number}"].astype(np.float64) + 1
        views = tuple(np.ascontiguousarray(seen[:, view]) for view in range(4))
        pose3d = _without_path(archive[f"seq3d_{number}"])
        clips.append(Sequence(subject="S1", action=f"A {number}", pose3d=pose3d, pose2d=views, cameras=cameras))
    settings = DataConfig(name="golden", views=4, axes="world", frames=int(archive["frames"]))
    poses = PoseSet(name="golden", keypoints="gt", skeleton=H36M_17, fps=50.0, sequences=tuple(clips))
    split = Split(name="golden", set="golden", train=("S1",), val=("S1",), test=("S1",))
    return DataModule(poses, split, settings, parts=("train", "test"))


def _without_path(pose3d: np.ndarray) -> np.ndarray:
    """The archive has joints 1 to 16 relative to the root already, and the root's path, which no loss sees, in 0."""
    still = pose3d.copy()
    still[..., 0, :] = 0
    return still


def _camera(view: int) -> Camera:
    return Camera(
        name=str(view),
        orientation=np.array((1, 0, 0, 0), np.float32),
        translation=np.zeros(3, np.float32),
        intrinsics=np.full(9, np.nan, np.float32),
        width=2,
        height=2,
    )


def _check_windows(archive: Archive, data: DataModule, mode: str) -> None:
    """Every window, in stored order; the published list has each twice in training, the second one for a mirror image
    that it never makes."""
    index, count = archive[f"{mode}_index"], data.count(mode)
    assert len(index) == int(archive[f"{mode}_len"]) == count * (2 if mode == "train" else 1)
    cut = data._windows[mode]
    expected = [(*row[:2], row[1] + 1) for row in zip(cut.track.tolist(), cut.start.tolist(), strict=True)]
    assert len({tuple(row) for row in index[:, :3].tolist()}) == count
    number = {row: at for at, row in enumerate(expected)}
    order = torch.tensor([number[tuple(row)] for row in index[:, :3].tolist()])
    batch = data.gather(mode, order)
    seen = batch.pose2d.transpose(1, 2).numpy()
    truth = batch.window3d if mode == "train" else batch.pose3d
    # Copies of the stored numbers.
    np.testing.assert_array_equal(truth.numpy(), _without_path(archive[f"{mode}_gt"]))
    stored = archive[f"{mode}_input"]
    for copy in [stored] if mode == "train" else [stored[:, 0], stored[:, 1]]:
        np.testing.assert_array_equal(seen, copy)


def _check_scores(archive: Archive) -> None:
    labels = [name.partition(" ")[0] for name in json.loads(str(archive["eval_action"]))]
    actions = list(dict.fromkeys(labels))
    found = torch.from_numpy(archive["eval_pred"])
    scored = poses(Prediction(pose3d=found.flatten(0, 1)))[:, 0]
    true = torch.from_numpy(archive["eval_gt"]).flatten(0, 2)
    action = torch.tensor([actions.index(name) for name in labels]).repeat_interleave(found.shape[1])
    steps = step_weights(torch.full((len(labels),), found.shape[1]))
    table = score_sequences(scored, true, action, steps, len(actions)).per_group(actions)
    for name, key in (("mpjpe_mm", "p1"), ("p_mpjpe_mm", "p2")):
        expected = archive[f"eval_per_action_{key}_mm"]
        assert list(table) == actions
        # Rounding of float64, in millimetres.
        np.testing.assert_allclose([table[one][name] for one in actions], expected, rtol=0, atol=1e-9)
