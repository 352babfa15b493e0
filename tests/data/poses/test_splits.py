"""HumanEva-I and MPI-INF-3DHP: their splits and skeletons, and what the arrays hold."""

import pytest
import torch

from data.batches.truth import step_weights
from data.config import DataConfig, chosen_data
from data.errors import DataError
from data.formats.poses import humaneva, mpi_inf_3dhp
from data.formats.source import available_sets, read_poses
from data.poses.families import family_of
from data.poses.geometry import to_screen
from data.poses.skeleton import H36M_17, HUMANEVA_15, MPI_INF_3DHP_17
from data.poses.splits import SPLITS, set_of
from spaces.errors import ConfigError
from tests.made.poses import module_3dhp, write_both
from trainables.config import default_config
from trainables.scoring.protocols import PROTOCOLS


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_both(tmp_path_factory.mktemp("store"))


# --- which split, which skeleton


def test_honest_splits_share_no_subject_and_the_authors_select_on_the_test_subjects():
    for name, split in SPLITS.items():
        parts = [set(split.train), set(split.val), set(split.test)]
        if name.endswith("_authors") or name == "cmu_yardstick":
            assert split.val == split.test
            assert not parts[0] & parts[2]
        else:
            assert sum(map(len, parts)) == len(set().union(*parts)), name
    assert set(SPLITS["humaneva"].train + SPLITS["humaneva"].val) == set(SPLITS["humaneva_authors"].train)
    assert set(SPLITS["3dhp"].train + SPLITS["3dhp"].val) == set(SPLITS["3dhp_authors"].train)
    assert set(SPLITS["3dhp"].test) == set(mpi_inf_3dhp.TESTS)


def test_subjects_of_the_splits_are_those_of_their_layouts():
    eva, mpi = set(humaneva.rigs()), {*(f"S{number}" for number in range(1, 9)), *mpi_inf_3dhp.TESTS}
    for split in SPLITS.values():
        known = {"humaneva": eva, "3dhp": mpi}.get(family_of(split.set).key)
        assert known is None or {*split.train, *split.val, *split.test} <= known


@pytest.mark.parametrize(
    ("name", "skeleton"),
    [("h36m_authors", H36M_17), ("mine", H36M_17), ("humaneva_authors", HUMANEVA_15), ("my_humaneva15", HUMANEVA_15),
     ("synthetic_3dhp", MPI_INF_3DHP_17), ("3dhp_authors", MPI_INF_3DHP_17), ("my3dhp", H36M_17)],
)  # fmt: skip
def test_a_name_tells_the_skeleton_before_any_file_is_read(name, skeleton):
    changes = {path.removeprefix("data."): value for path, value in chosen_data(name).items()}
    config = DataConfig(**changes)
    assert config.sizes.skeleton is skeleton
    assert not list(config.problems())
    assert PROTOCOLS[family_of(set_of(name)).key] is PROTOCOLS[config.family.key]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"data.name": "humaneva"},
            "data.joints = 17 does not go with data.name = humaneva: HumanEva-I has 15; set data.joints = 15, or name "
            "a set with 17 (as h36m, 3dhp)",
        ),
        (
            {"data.name": "h36m", "data.joints": 15},
            "data.joints = 15 does not go with data.name = h36m: Human3.6M has 17 or 16; set data.joints = 17 or 16, "
            "or name a set with 15 (as humaneva)",
        ),
        ({"data.name": "3dhp", "data.joints": 16}, "MPI-INF-3DHP has 17; set data.joints = 17, or name a set with 16"),
        (
            {"data.name": "3dhp", "data.keypoints": "det"},
            "keypoints = det is not in the files of MPI-INF-3DHP; use gt",
        ),
    ],
)
def test_joints_and_keypoints_that_a_set_does_not_have_are_refused_with_the_remedy(values, problem):
    with pytest.raises(ConfigError) as caught:
        default_config("poseformer", values, "c.yaml")
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_sets_of_every_layout_are_found_and_unknown_subjects_are_named(root):
    assert set(available_sets(root)) == {"made_3dhp", "made_humaneva15"}
    for name, joints, subject, known in (
        ("made_3dhp", 17, "S2", "S1"),
        ("made_humaneva15", 15, "Train/S2", "Train/S1"),
    ):
        settings = DataConfig(name=name, root=str(root), joints=joints, test_subjects=(subject,))
        with pytest.raises(DataError, match=rf"no subject '{subject}'.*{known}"):
            read_poses(settings, ("test",))
    with pytest.raises(ConfigError, match=r"did you mean made_3dhp\?.*sets found: made_humaneva15, made_3dhp"):
        read_poses(DataConfig(name="mad_3dhp", root=str(root)), ("test",))
    with pytest.raises(DataError, match=r"data_3d_humaneva15\.npz"):
        read_poses(DataConfig(name="humaneva", joints=15, root=str(root)), ("train", "val"))


# --- what the arrays hold


def test_poses_of_3dhp_hang_on_the_pelvis_and_windows_see_the_frames_that_do_not_count(root):
    data, poses = module_3dhp(root, frames=3)
    clip = next(clip for clip in poses.sequences if clip.subject == "TS1")
    truth = data.truth("test")
    assert not truth.pose3d[:, 14].any()
    assert truth.pose3d[:, :14].norm(dim=-1).min() > 0
    batch = data.gather("test", torch.tensor([1]))  # the frame before it is not valid
    screen = to_screen(torch.from_numpy(clip.pose2d[0][:3]), 2048, 2048)
    torch.testing.assert_close(batch.pose2d[0, 0], screen.double())
    pelvis = torch.from_numpy(clip.pose3d[1, 14]).double()
    torch.testing.assert_close(batch.root3d[0, 0, 0], pelvis)
    torch.testing.assert_close(batch.pose3d[0, 0] + pelvis, torch.from_numpy(clip.pose3d[1]).double())
    # Every third frame, from the first, does not count: 4 of 6 and 3 of 5 do.
    assert (data.count("test"), data.num_scored("test")) == (11, 7)


def test_steps_join_frames_that_count_and_share_the_weight_of_their_track():
    whole = step_weights(torch.tensor([4, 1, 3]))
    assert whole.tolist() == [0, 4 / 3, 4 / 3, 4 / 3, 0, 0, 1.5, 1.5]
    valid = torch.tensor([1, 1, 0, 1, 1, 1, 0, 1]).bool()
    # Three frames and one step; a frame alone; two frames that do not touch.
    assert step_weights(torch.tensor([4, 1, 3]), valid).tolist() == [0, 3, 0, 0, 0, 0, 0, 0]
