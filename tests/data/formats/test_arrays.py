"""Array files whose headers announce more than they hold are refused before any memory is taken."""

import json
import math
import tracemalloc
import zipfile

import numpy as np
import pytest

from data.errors import DataError
from data.formats.arrays import read_npy, read_npz
from data.formats.json_text import parse_json, read_json
from data.formats.pickles import read_object, read_pickle
from data.formats.poses.calibration import read_cameras
from tests.faults.damaged import hollow_pickles, npy_bytes, npz_file

HUGE = [(10**12, 17, 2), (2**62, 2**62), (10**9,), (-5, 3), (3, 4)]


@pytest.fixture(autouse=True)
def little_memory():
    """No reader takes more than 100 MB for files of a few bytes."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e8


@pytest.mark.parametrize("shape", HUGE)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_rows_that_a_file_cannot_hold_are_refused(tmp_path, shape, compression):
    content = npy_bytes(shape, content=b"\0" * 8)
    path = npz_file(tmp_path / "a.npz", compression, keypoints=content)
    with pytest.raises(DataError, match="announces shape"):
        read_npz(path)
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match="announces shape"):
        read_npy(tmp_path / "a.npy")


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path):
    path = npz_file(tmp_path / "a.npz", keypoints=npy_bytes((2**25,), content=bytes(2**27)))
    tracemalloc.reset_peak()  # what the test itself took
    with pytest.raises(DataError, match="which cannot hold them"):
        read_npz(path)
    with pytest.raises(DataError, match="which cannot hold them"):
        read_object(path, "keypoints")


def test_numbers_come_as_they_were_written_and_only_those_asked_for(tmp_path):
    values = {"a": np.arange(6.0).reshape(2, 3), "b": np.array("text"), "c": np.asfortranarray(np.eye(3, 4))}
    np.savez_compressed(tmp_path / "a.npz", **values)
    found, names = read_npz(tmp_path / "a.npz", ("a", "b"))
    assert names == ("a", "b", "c")
    assert found.keys() == {"a", "b"}
    for name, array in read_npz(tmp_path / "a.npz")[0].items():
        np.testing.assert_array_equal(array, values[name])
    np.save(tmp_path / "c.npy", values["c"])
    np.testing.assert_array_equal(read_npy(tmp_path / "c.npy"), values["c"])


def test_objects_are_never_read(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array({"x": 1}, dtype=object))
    with pytest.raises(DataError, match="holds objects"):
        read_npz(tmp_path / "a.npz")
    assert read_npz(tmp_path / "a.npz", ())[1] == ("a",)


@pytest.mark.parametrize("kind", hollow_pickles())
def test_pickles_that_ask_for_memory_without_content_are_damaged(tmp_path, kind):
    content = hollow_pickles()[kind]
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(DataError):
        read_pickle(tmp_path / "a.pkl")
    path = npz_file(tmp_path / "a.npz", a=npy_bytes((), "|O", content))
    with pytest.raises(DataError):
        read_object(path, "a")


def test_deep_json_is_told_from_broken_json(tmp_path):
    for depth in (3_000, 1_000_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json("[" * depth + "]" * depth)
    (tmp_path / "a.json").write_text("[" * 3000)
    for read in (read_cameras, lambda path: read_json(path, "is no JSON")):
        with pytest.raises(DataError, match="nested too deeply"):
            read(tmp_path / "a.json")
    assert parse_json(json.dumps({"a": [1]})) == {"a": [1]}


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_whole_number_beyond_the_range_of_floats_is_infinite(tmp_path, as_bytes):
    text = json.dumps({"high": 10**400, "low": -(10**400), "long": int("1" * 300), "short": 7})
    found = parse_json(text.encode() if as_bytes else text)
    assert found == {"high": math.inf, "low": -math.inf, "long": int("1" * 300), "short": 7}
    assert [type(value) for value in found.values()] == [float, float, int, int]


def test_cameras_with_such_a_number_are_refused(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"S1": [{"focal_length": [10**400, 1]}]}))
    with pytest.raises(DataError):
        read_cameras(tmp_path / "a.json")
