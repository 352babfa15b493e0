"""Object arrays are read as plain data, and a file that wants more runs nothing."""

import io
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest

from data.errors import DataError
from data.formats.pickles import member_names, read_object

PLAIN = {
    "S1": {"Walking 1": np.arange(12, dtype=np.float32).reshape(2, 2, 3), "empty": np.zeros((0, 3))},
    "text": "a", "bytes": (b"\xff\x00", b""), "numbers": (1, 2.5, True, None, 1 << 70), "scalar": np.float32(1.5),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "names": np.array(["a", "b"]),
}  # fmt: skip


def write_member(path, payload, key="data", shape=()):
    """An .npz whose array `key` has the header of an object array and `payload` behind it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{key}.npy", header.getvalue() + payload)
    return path


def pickled(content, protocol=4):
    array = np.empty((), dtype=object)
    array[()] = content
    return pickle.dumps(array, protocol)


class Runs:
    """Pickles to a call of `function`."""

    def __init__(self, function, *words):
        self.call = (function, words)

    def __reduce__(self):
        return self.call


def problem_of(path, key="data"):
    with pytest.raises(DataError) as caught:
        read_object(path, key)
    return str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_survives_every_protocol(tmp_path, protocol):
    path = write_member(tmp_path / "a.npz", pickled(PLAIN, protocol))
    np.testing.assert_equal(read_object(path, "data"), PLAIN)


def test_what_numpy_itself_writes_is_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", data=np.array(PLAIN, dtype=object))
    np.testing.assert_equal(read_object(tmp_path / "a.npz", "data"), PLAIN)


def test_an_object_array_with_axes_comes_as_an_array(tmp_path):
    rows = np.array([{"a": 1}, [2]], dtype=object)
    path = write_member(tmp_path / "a.npz", pickle.dumps(rows), shape=(2,))
    assert read_object(path, "data").tolist() == [{"a": 1}, [2]]


def test_files_of_numpy_1_name_another_package_and_are_read(tmp_path):
    payload = pickled(PLAIN["S1"], 2)
    assert b"cnumpy._core.multiarray\n" in payload
    path = write_member(tmp_path / "a.npz", payload.replace(b"numpy._core.", b"numpy.core."))
    np.testing.assert_equal(read_object(path, "data"), PLAIN["S1"])


def test_byte_strings_of_python_2_are_read_as_text(tmp_path):
    text = b"U\x02S1"  # SHORT_BINSTRING, which Python 3 no longer writes
    payload = pickled("REPLACED", 2).replace(b"X\x08\x00\x00\x00REPLACED", text)
    assert text in payload
    assert read_object(write_member(tmp_path / "a.npz", payload), "data") == "S1"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_file_that_wants_to_run_a_command_runs_nothing_and_is_named(tmp_path, protocol):
    marker = tmp_path / "ran"
    payload = pickled({"S1": [Runs(os.system, f"touch {marker}")]}, protocol)
    message = problem_of(write_member(tmp_path / "a.npz", payload))
    assert f"asks to import {os.system.__module__}.system" in message
    assert "do not open it with other tools" in message
    assert not marker.exists()


@pytest.mark.parametrize(
    ("function", "words"),
    [(eval, ("1+1",)), (getattr, ("a", "upper")), (pickle.loads, (b"N.",)), (np.load, ("x",))],
)
def test_no_callable_but_the_array_makers_is_admitted(tmp_path, function, words):
    assert "asks to import" in problem_of(write_member(tmp_path / "a.npz", pickled(Runs(function, *words))))


def test_a_dotted_name_does_not_reach_through_an_admitted_one(tmp_path):
    payload = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    assert "numpy.ndarray.tofile" in problem_of(write_member(tmp_path / "a.npz", payload))


def test_bytes_spelled_in_another_encoding_are_refused(tmp_path):
    payload = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R."
    assert "bytes spelled in hex" in problem_of(write_member(tmp_path / "a.npz", payload))


def test_a_bare_object_where_an_array_belongs_is_refused(tmp_path):
    assert "holds dict" in problem_of(write_member(tmp_path / "a.npz", pickle.dumps({"a": 1})))


def test_a_cut_pickle_under_a_right_checksum_is_damaged(tmp_path):
    message = problem_of(write_member(tmp_path / "a.npz", pickled(PLAIN)[:-20]))
    assert "is damaged" in message
    assert "download it again" in message


def test_a_truncated_archive_is_named_with_a_remedy(tmp_path):
    path = write_member(tmp_path / "a.npz", pickled(PLAIN))
    path.write_bytes(path.read_bytes()[:-30])
    assert "cut off before its end; copy or download it again" in problem_of(path)


def test_a_flipped_bit_fails_the_checksum(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, data=np.array({"a": np.zeros(1000)}, dtype=object))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # in the zeros, which stand there uncompressed
    path.write_bytes(content)
    assert "'data' is damaged (Bad CRC-32" in problem_of(path)


def test_a_missing_file_a_missing_key_and_a_folder_are_told_apart(tmp_path):
    assert "no such file" in problem_of(tmp_path / "no.npz")
    assert "cannot be read" in problem_of(tmp_path)
    path = write_member(tmp_path / "a.npz", pickled(PLAIN), key="positions_3d")
    assert "did you mean positions_3d?; keys here: positions_3d" in problem_of(path, "positions_2d")
    assert member_names(path) == ("positions_3d",)


def test_numbers_where_objects_belong_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", data=np.zeros(3))
    assert "holds float64 numbers, not Python objects" in problem_of(tmp_path / "a.npz")


def test_a_member_that_is_no_array_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("data", b"text")
        archive.writestr("other.npy", b"text")
    assert "is no numpy array" in problem_of(tmp_path / "a.npz")
    assert "is damaged" in problem_of(tmp_path / "a.npz", "other")


def test_reading_imports_nothing(tmp_path):
    path = write_member(tmp_path / "a.npz", b"\x80\x02cantigravity\nfly\n)R.")
    assert "antigravity.fly" in problem_of(path)
    assert "antigravity" not in sys.modules
