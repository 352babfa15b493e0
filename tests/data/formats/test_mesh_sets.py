"""Mesh sets in tables: random access, what labels hold, and faults with their rows."""

import base64
import json
import time

import numpy as np
import pytest

from data.__main__ import VERBS
from data.errors import DataError
from data.formats.meshes.mesh_tsv import MeshSet, write_linelist, write_set
from data.formats.meshes.tsv import Table, index_of, writing
from data.images.crops import decode
from spaces import cli
from tests.made.meshes import made_image, made_label, made_samples, made_set


def main(words):
    return cli.main("data", "Data sets.", VERBS, words)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    made_set(folder, "hand")
    return folder


def rewrite(path, change):
    """The rows of a table, changed by number, with an index that fits."""
    rows = [line.split(b"\t") for line in path.read_bytes().splitlines()]
    with writing(path) as table:
        for number, row in enumerate(rows):
            table.add(change(number, row))


def test_rows_are_found_in_any_order(root):
    mesh_set = MeshSet(root / "own_hand" / "train.yaml", "hand")
    assert len(mesh_set) == 10
    for number in (7, 0, 9, 3):
        assert mesh_set.key(number) == f"{number}.jpg"
        assert np.abs(np.asarray(decode(mesh_set.jpeg(number)), int) - np.asarray(made_image(number), int)).mean() < 5
        label, expected = mesh_set.label(number), made_label("hand", number)
        assert label.center.tolist() == [60 + number, 50 + number]
        np.testing.assert_allclose(label.joints3d, expected["3d_joints"], atol=1e-6)
        assert label.has.tolist() == [1, 1, 1]


def test_opening_a_table_of_100000_rows_reads_no_row(tmp_path):
    path = tmp_path / "big.tsv"
    with writing(path) as table:
        for number in range(100_000):
            table.add((b"%d" % number, b"x" * 50))
    started = time.process_time()
    table = Table(path)
    assert time.process_time() - started < 1
    assert table.row(99_999)[0] == b"99999"


def test_a_linelist_chooses_and_orders_rows(root, tmp_path):
    write_set(tmp_path, "all", made_samples("hand", 5))
    write_linelist(tmp_path, "some", [4, 1, 4], "all")
    found = MeshSet(tmp_path / "some.yaml", "hand")
    assert [found.key(number) for number in range(3)] == ["4.jpg", "1.jpg", "4.jpg"]


def test_composite_sets_take_rows_of_several_tables(root, tmp_path):
    for name, count in (("a", 3), ("b", 2)):
        write_set(tmp_path, name, made_samples("hand", count))
    (tmp_path / "imgs.txt").write_text("a.img.tsv\nb.img.tsv\n")
    (tmp_path / "lines.tsv").write_text("1\t1\n0\t2\n")
    (tmp_path / "both.yaml").write_text(
        "img: imgs.txt\nlabel: [a.label.tsv, b.label.tsv]\nlinelist: lines.tsv\ncomposite: true\n"
    )
    found = MeshSet(tmp_path / "both.yaml", "hand")
    assert [found.key(number) for number in range(2)] == ["b.img.tsv_1.jpg", "a.img.tsv_2.jpg"]
    (tmp_path / "lines.tsv").write_text("0\t2\n")
    (tmp_path / "one.yaml").write_text("img: [a.img.tsv]\nlabel: [a.label.tsv]\nlinelist: lines.tsv\ncomposite: true\n")
    assert MeshSet(tmp_path / "one.yaml", "hand").key(0) == "a.img.tsv_2.jpg"


def test_what_a_label_does_not_know_is_zero_and_says_so(tmp_path):
    unknown = {"has_smpl": 0, "has_3d_joints": 0, "pose": None, "betas": None, "3d_joints": None}
    write_set(tmp_path, "2d", made_samples("body", 1, **unknown))
    label = MeshSet(tmp_path / "2d.yaml", "body").label(0)
    assert label.has.tolist() == [1, 0, 0]
    assert not label.pose.any()
    assert label.joints2d.any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"3d_joints": [[0, 0, 0, 1]] * 23}, r"'3d_joints' has shape \(23, 4\); that of a body is \(24, 4\)"),
        ({"pose": [0.0] * 48}, r"'pose' has shape \(48,\); that of a body is \(72,\)"),
        ({"betas": None}, "has no 'betas', which it needs"),
        ({"has_smpl": 2}, "each is 0 or 1"),
        ({"scale": 0}, "scale is 0"),
        ({"center": None}, "has no 'center', which it needs"),
        ({"betas": [float("nan")] * 10}, "'betas' holds nan or infinity"),
        ({"center": ["x", 1]}, "'center' is no array of numbers"),
    ],
)
def test_faults_of_a_label_name_its_row(tmp_path, changes, told):
    write_set(tmp_path, "train", made_samples("body", 2, **changes))
    with pytest.raises(DataError, match=told) as caught:
        MeshSet(tmp_path / "train.yaml", "body").label(1)
    assert "train.label.tsv, row 1" in str(caught.value)


def test_an_index_that_does_not_fit_is_found_when_it_is_used(tmp_path):
    write_set(tmp_path, "train", made_samples("hand", 4))
    path = tmp_path / "train.label.tsv"
    starts = [int(line) for line in index_of(path).read_text().split()]
    index_of(path).write_text("".join(f"{start + (number == 2)}\n" for number, start in enumerate(starts)))
    table = Table(path)
    assert table.row(0)
    for number in (1, 2):
        with pytest.raises(DataError, match=rf"train\.lineidx|row {number} does not begin"):
            table.row(number)
    index_of(path).write_text("0\n99999999\n")
    with pytest.raises(DataError, match="does not fit"):
        Table(path)
    index_of(path).unlink()
    with pytest.raises(DataError, match="lineidx: cannot be read"):
        Table(path)


def test_a_linelist_beyond_its_table_is_refused(tmp_path):
    write_set(tmp_path, "train", made_samples("hand", 2))
    write_linelist(tmp_path, "more", [0, 2], "train")
    with pytest.raises(DataError, match="line 2 names row 2 of source 0"):
        MeshSet(tmp_path / "more.yaml", "hand")


def test_check_names_every_broken_row(tmp_path, capsys):
    folder = made_set(tmp_path, "body", train=5, val=2)
    assert main(["check", "tsv", str(folder)]) == 0
    capsys.readouterr()

    def spoil(number, row):
        return [row[0], {1: b"no*base64", 2: base64.b64encode(b"no jpeg"), 3: row[1][:800]}.get(number, row[1])]

    rewrite(folder / "train.img.tsv", spoil)
    short = json.dumps([made_label("body", 4, **{"2d_joints": [[0, 0, 1]] * 23})]).encode()
    rewrite(folder / "train.label.tsv", lambda number, row: [row[0], short if number == 4 else row[1]])
    assert main(["check", "tsv", str(folder), "--set", "train"]) == 2
    told = capsys.readouterr().err
    broken = "its image is broken or cut off"
    for part in (
        "train.img.tsv, row 1: its last column is no base64",
        f"train.img.tsv, row 2: {broken} (its bytes are of no kind of image that is known)",
        f"train.img.tsv, row 3: {broken}",
        "train.label.tsv, row 4: '2d_joints' has shape (23, 3)",
    ):
        assert part in told, (part, told)
    assert main(["check", "tsv", str(folder), "--set", "trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err
