"""Pose sets and mesh sets are read through one protocol."""

import inspect

import pytest
import torch

from data.batches.meshes import MeshModule
from data.batches.poses import DataModule
from data.batches.samples import Samples, any_split_of, open_samples
from data.config import DataConfig
from data.errors import DataError
from data.poses.splits import shared_members
from tests.made.meshes import made_set
from tests.made.small import tiny_config, write_tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The samples of a set of poses and of a mesh set."""
    root = tmp_path_factory.mktemp("sets")
    write_tiny(root)
    made_set(root, "hand")
    configs = tiny_config(root).data, DataConfig(name="own_hand", root=str(root))
    return [open_samples(config, device=CPU) for config in configs]


@pytest.mark.parametrize("module", [DataModule, MeshModule])
def test_a_module_takes_what_the_protocol_says(module):
    for name, wanted in vars(Samples).items():
        if not name.startswith("_") and inspect.isfunction(wanted):
            found = inspect.signature(getattr(module, name)).parameters
            assert list(found) == list(inspect.signature(wanted).parameters), name


def test_a_module_has_every_attribute_of_the_protocol(opened):
    names = [*Samples.__annotations__, *(name for name in vars(Samples) if not name.startswith("_"))]
    assert {"split", "image_crops", "sizes", "sources", "gather"} <= set(names)
    for data in opened:
        assert not [name for name in names if not hasattr(data, name)], type(data)


def test_fields_are_named_as_they_are_gathered(opened):
    for data, has, has_not in zip(opened, ("pose2d", "image"), ("image", "pose2d"), strict=True):
        assert data.has_field(has)
        assert not data.has_field(has_not)
        assert getattr(data.gather("val", data.order("val", 0, 0)[:2], (has,)), has) is not None
    assert [data.is_streamed(("pose2d",)) for data in opened] == [False, True]


def test_what_a_kind_of_set_does_not_have_is_refused(opened):
    poses, meshes = opened
    index = torch.arange(2)
    with pytest.raises(DataError, match="is a set of poses; only mesh sets keep whole images"):
        poses.boxed("val", index)
    with pytest.raises(DataError, match="is a mesh set; only sets of poses have tracks of poses"):
        meshes.truth("val")
    assert meshes.boxed("val", index).crops().shape[0] == 2
    assert len(poses.truth("val").action) == poses.num_scored("val")


def test_members_of_a_split_are_compared_within_a_set():
    def shared(one, other, part="val"):
        return shared_members(*(any_split_of(DataConfig(name=one)), part, any_split_of(DataConfig(name=other))))

    assert shared("h36m_authors", "h36m") == ("S9", "S11")
    assert shared("h36m_authors", "synthetic") == ()  # other people of the same names
    assert shared("3dpw_authors", "3dpw") == ("3dpw/test.yaml",)
    assert shared("3dpw", "3dpw") == ()
