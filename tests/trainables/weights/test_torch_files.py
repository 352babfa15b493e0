"""What is read of authors' checkpoints, and that nothing that they ask for is run."""

import argparse
import collections
import datetime
import decimal
import io
import os
import pathlib
import pickle
import types
import warnings
import zipfile

import numpy as np
import pytest
import torch

from data.errors import DataError
from tests.faults.damaged import hollow_pickles
from tests.made.checkpoints import GRAFORMER, network, published, script_checkpoint
from trainables.weights.published import read_published
from trainables.weights.torch_files import read_torch_file

# --- what is read


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_training_script_checkpoint_is_read_whole(tmp_path, prefix, protocol, is_zip):
    weights = network()[0].state_dict()
    options = {"_use_new_zipfile_serialization": is_zip, "pickle_protocol": protocol}
    path = published(script_checkpoint(weights, prefix), tmp_path / "a.pth.tar", **options)
    found = read_published(path, GRAFORMER)
    assert list(found.tensors) == list(weights)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in weights.items())
    assert {name: found.facts[name] for name in ("epoch", "step", "lr", "error")} == {
        "epoch": 7, "step": 1234, "lr": 9e-4, "error": 48.9,
    }  # fmt: skip


def test_generators_of_old_numpy_are_left_aside(tmp_path):
    # NumPy 1 named its inner package `core`, and before 1.17 generators were made by another function.
    content = pickle.dumps({"random_state": np.random.RandomState(3)}, protocol=2)
    old = content.replace(b"numpy._core.", b"numpy.core.")
    path = tmp_path / "a.bin"
    for spelled in (old, old.replace(b"numpy.random._pickle\n__randomstate_ctor", b"numpy.random\n__RandomState_ctor")):
        path.write_bytes(_as_zip(spelled))
        assert list(read_torch_file(path)) == ["random_state"]


def _as_zip(payload):
    """A torch archive around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return file.getvalue()


PLAIN = [
    argparse.Namespace(lr=1e-3, subjects=["S1"]),
    types.SimpleNamespace(lr=1e-3),
    pathlib.PurePosixPath("a/b"),
    datetime.datetime(2026, 1, 2, 3, 4),
    datetime.timedelta(seconds=3),
    collections.defaultdict(list, {"a": [1]}),
    collections.Counter("abca"),
    collections.deque([1, 2, 3]),
    {1, 2},
    frozenset("ab"),
    slice(1, 2),
    range(3),
    1 + 2j,
    bytearray(b"abc"),
    decimal.Decimal("1.5"),
]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("beside", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_data_beside_the_weights_does_not_matter(tmp_path, beside, protocol):
    weights = network()[0].state_dict()
    content = {"args": beside, "state_dict": weights, "more": [beside, {"x": beside}]}
    path = published(content, tmp_path / "a.bin", pickle_protocol=protocol)
    assert list(read_published(path, GRAFORMER).tensors) == list(weights)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    "made",
    [
        lambda: torch.zeros(1).expand(10**12),
        lambda: torch.sparse_coo_tensor(
            torch.zeros((1, 1), dtype=torch.int64), torch.ones(1), (10**12,), check_invariants=True
        ),
        lambda: torch.empty(10**12, device="meta"),
    ],
)
def test_tensors_without_numbers_of_their_own_are_refused(tmp_path, made, is_zip):
    path = published({"state_dict": {"a": made()}}, tmp_path / "a.bin", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(DataError, match=r"a announces shape|a is no plain tensor|damaged"):
        read_torch_file(path)


@pytest.mark.parametrize("kind", hollow_pickles())
def test_a_pickle_that_asks_for_memory_is_refused(tmp_path, kind):
    path = tmp_path / "a.bin"
    for content in (_as_zip(hollow_pickles()[kind]), hollow_pickles()[kind]):
        path.write_bytes(content)
        with pytest.raises(DataError):
            read_published(path, GRAFORMER)


@pytest.mark.parametrize("key", ["state_dict", "model_pos", "model", "net"])
def test_weights_are_found_under_the_keys_of_the_published_scripts(tmp_path, key):
    weights = network()[0].state_dict()
    path = published({key: weights, "optimizer": {"state": {}}, "epoch": 1}, tmp_path / "a.bin")
    assert list(read_published(path, GRAFORMER).tensors) == list(weights)


def test_a_bare_state_dict_is_weights(tmp_path):
    weights = network()[0].state_dict()
    assert list(read_published(published(weights, tmp_path / "a.pth"), GRAFORMER).tensors) == list(weights)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"epoch": 1, "lr": 0.1}, "holds a mapping with the keys epoch, lr, no weights"),
        ({}, "holds an empty mapping"),
        ([1], "holds a list"),
        ({"a": {"x": torch.ones(1)}, "b": {"x": torch.ones(1)}}, "keys a, b, no weights"),
        ({"x": torch.ones(1), "module.x": torch.ones(1)}, "x is there twice, once as module.x"),
        ({"x": torch.tensor([1.0, float("nan")])}, "x holds values that are not finite"),
    ],
)
def test_what_holds_no_weights_is_told(tmp_path, content, problem):
    with pytest.raises(DataError, match=problem):
        read_published(published(content, tmp_path / "a.pth"), GRAFORMER)


# --- what is refused


class Runs:
    """Pickles to a call."""

    def __init__(self, function, *words):
        self.call = (function, words)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_that_wants_to_run_a_command_runs_nothing_and_is_named(tmp_path, is_zip, protocol):
    marker = tmp_path / "ran"
    content = {"state_dict": network()[0].state_dict(), "args": Runs(os.system, f"touch {marker}")}
    options = {"_use_new_zipfile_serialization": is_zip, "pickle_protocol": protocol}
    path = published(content, tmp_path / "a.pth", **options)
    with pytest.raises(DataError, match=rf"asks to import {os.system.__module__}.system"):
        read_torch_file(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.",
        b"\x80\x02ctorch.serialization\nload\n)R.",
        b"\x80\x02ctorch.jit\nload\n)R.",
        b"\x80\x02cnumpy\nload\n)R.",
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        b"\x80\x02cantigravity\nfly\n)R.",
    ],
)
def test_no_callable_but_the_makers_of_tensors_and_arrays_is_admitted(tmp_path, payload):
    path = tmp_path / "a.pth"
    path.write_bytes(_as_zip(payload))
    with pytest.raises(DataError, match="asks to import"):
        read_torch_file(path)


def test_a_name_below_the_generators_is_not_imported_either(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(_as_zip(b"\x80\x02}X\x01\x00\x00\x00acnumpy.random.os\nsystem\ns."))
    assert read_torch_file(path)["a"] is not os.system


def test_a_pickled_network_is_refused_by_name(tmp_path):
    path = published(network()[0], tmp_path / "model.bin")
    with pytest.raises(DataError, match=r"asks to import trainables\.models\.graformer\.network\.GraFormer"):
        read_torch_file(path)


def test_a_program_is_not_weights(tmp_path):
    path = tmp_path / "a.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch wants other ways to make one
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    with pytest.raises(DataError, match="is a TorchScript program"):
        read_torch_file(path)


def test_damaged_and_foreign_files_are_told_apart(tmp_path):
    path = published(network()[0].state_dict(), tmp_path / "a.pth")
    whole = path.read_bytes()
    for content, problem in (
        (whole[:-400], "is cut off before its end"),
        (b"<html>not found</html>", "is no PyTorch checkpoint"),
        (b"\x80\x02cut", "is damaged or incomplete"),
        (_as_zip(b"\x80\x02]q"), "is damaged or incomplete"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=problem):
            read_torch_file(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_torch_file(tmp_path / "nowhere.pth")
