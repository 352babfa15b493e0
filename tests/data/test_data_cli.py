"""`python -m data`: what a user types, what is printed, which exit code."""

import json
import subprocess
import sys

import numpy as np
import pytest

from data.__main__ import VERBS
from data.formats.poses import h36m
from data.verbs.check import reprojection_px
from spaces import cli
from tests.made.poses import made_in_place_of_synthetic, made_poses, rewrite


def main(words):
    return cli.main("data", "Data sets.", VERBS, words)


FILES = {
    "data_3d_synthetic.npz", "data_2d_synthetic_gt.npz", "data_2d_synthetic_det.npz", "cameras_synthetic.json",
    "data_3d_synthetic_humaneva15.npz", "data_2d_synthetic_humaneva15_gt.npz", "data_2d_synthetic_humaneva15_det.npz",
    "data_train_synthetic_3dhp.npz", "data_test_synthetic_3dhp.npz", "synthetic.json",
}  # fmt: skip


@pytest.fixture
def stored(tmp_path):
    h36m.write(made_poses(), tmp_path)
    return tmp_path


@pytest.fixture
def small_synthetic(monkeypatch):
    """The real generators take seconds; these tests are about the files around them."""
    made_in_place_of_synthetic(monkeypatch)


def contents(root):
    return {path.name: path.read_bytes() for path in root.iterdir()}


def leaves_with(words):
    with pytest.raises(SystemExit) as left:
        main(words)
    return left.value.code


@pytest.mark.parametrize("words", [["--help"], ["synth", "--help"], ["check", "--help"], ["describe", "--help"]])
def test_help_has_an_example_and_exits_0(words, capsys):
    assert leaves_with(words) == 0
    assert len(words) == 1 or f"example: python -m data {words[0]}" in capsys.readouterr().out


def test_help_and_wrong_words_import_neither_numpy_nor_torch():
    code = "import sys, data.__main__ as m; print(sorted({'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [[], ["nothing"], ["synth", "--seed", "-1"], ["check", "h36m"], ["describe", "x"]])
def test_wrong_words_exit_2(words, capsys):
    assert leaves_with(words) == 2
    assert capsys.readouterr().err.startswith("usage: python -m data")


def test_an_unknown_format_exits_2_with_the_list(capsys):
    assert leaves_with(["check", "h37m", "."]) == 2
    known = "'h36m', 'humaneva', '3dhp', 'h36m-images', 'tsv'"
    assert f"invalid choice: 'h37m' (choose from {known})" in capsys.readouterr().err


def test_synth_writes_a_set_that_check_and_describe_accept(small_synthetic, tmp_path, capsys):
    root = tmp_path / "deep" / "store"
    assert main(["synth", "--root", str(root)]) == 0
    assert set(contents(root)) == FILES
    assert "wrote the synthetic sets of seed 0" in capsys.readouterr().out
    assert h36m.read(root, "synthetic", "det", joints=17).fps == 50
    for layout in ("h36m", "humaneva", "3dhp"):
        assert main(["check", layout, str(root)]) == 0
    assert main(["describe", "--root", str(root), "--data", "synthetic"]) == 0
    out = capsys.readouterr().out
    assert "synthetic  gt" in out
    assert "synthetic  train" in out
    assert "humaneva15" not in out.rpartition("synthetic  train")[2]


def test_synth_adds_the_sets_that_a_store_does_not_have_yet(small_synthetic, tmp_path):
    assert main(["synth", "--root", str(tmp_path)]) == 0
    before = contents(tmp_path)
    twins = [name for name in FILES if "humaneva15" in name or "3dhp" in name]
    record = json.loads((tmp_path / "synthetic.json").read_text())
    for name in twins:
        (tmp_path / name).unlink()
        del record["files"][name]
    (tmp_path / "synthetic.json").write_text(json.dumps(record))
    assert main(["synth", "--root", str(tmp_path)]) == 0
    assert contents(tmp_path) == before


def test_synth_twice_writes_once(small_synthetic, tmp_path, capsys):
    assert main(["synth", "--root", str(tmp_path)]) == 0
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert main(["synth", "--root", str(tmp_path)]) == 0
    assert "already; nothing written" in capsys.readouterr().out
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


def test_synth_of_the_same_seed_gives_the_same_bytes(small_synthetic, tmp_path):
    for name in ("one", "other"):
        assert main(["synth", "--root", str(tmp_path / name), "--seed", "3"]) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_synth_refuses_another_seed_and_changed_or_foreign_files_without_force(small_synthetic, tmp_path, capsys):
    words = ["synth", "--root", str(tmp_path)]
    assert main(words) == 0
    before = contents(tmp_path)
    assert main([*words, "--seed", "1"]) == 2
    assert "holds the synthetic sets of seed 0, not 1; --force writes over it" in capsys.readouterr().err
    (tmp_path / "cameras_synthetic.json").write_text("{}")
    assert main(words) == 2
    assert "cameras_synthetic.json is not as synth wrote it; --force" in capsys.readouterr().err
    (tmp_path / "synthetic.json").unlink()
    assert main(words) == 2
    assert "not written by synth; --force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert contents(tmp_path) == before


def test_synth_completes_what_a_broken_run_left(small_synthetic, tmp_path, monkeypatch, capsys):
    def interrupt(poses, root):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(h36m, "write_2d", interrupt)
        assert main(["synth", "--root", str(tmp_path)]) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"python -m data synth --root {tmp_path}")
    assert main(["synth", "--root", str(tmp_path)]) == 0
    assert set(contents(tmp_path)) == FILES
    (tmp_path / "data_2d_synthetic_det.npz").unlink()
    assert main(["synth", "--root", str(tmp_path)]) == 0
    assert set(contents(tmp_path)) == FILES


def test_check_prints_counts_and_the_reprojection_error(stored, capsys):
    assert main(["check", "h36m", str(stored)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    cells = dict(zip(head.split(), row.split(), strict=True))
    assert {name: cells[name] for name in ("set", "keypoints", "subjects", "clips", "frames", "views")} == {
        "set": "made", "keypoints": "gt", "subjects": "2", "clips": "4", "frames": "22", "views": "4"
    }  # fmt: skip
    assert float(cells["reprojection_px"]) < 1e-3  # float32 pixels up to 1000 are spaced 6e-5
    assert (cells["joints"], cells["faults"]) == ("17", "0")


def test_check_names_swapped_cameras(stored, capsys):
    path = h36m.file_cameras(stored, "made")
    tree = json.loads(path.read_text())
    tree["S9"]["cameras"][1:3] = tree["S9"]["cameras"][2:0:-1]
    path.write_text(json.dumps(tree))
    assert main(["check", "h36m", str(stored), "--json"]) == 2
    captured = capsys.readouterr()
    problems = json.loads(captured.out)["problems"]
    assert [problem.partition("'gt': ")[2].partition("lies")[0] + "lies" for problem in problems] == [
        "subject S9, camera 1: gt 2D lies",
        "subject S9, camera 2: gt 2D lies",
    ]
    assert "look at the order of the cameras" in captured.err
    assert "Traceback" not in captured.err


def test_check_reports_every_set_and_leaves_out_none(stored, capsys):
    h36m.write(made_poses(name="other", keypoints="det"), stored)
    rewrite(h36m.file_3d(stored, "made"), lambda content: content["positions_3d"]["S1"]["Walking"].fill(np.nan))
    h36m.file_2d(stored, "none", "gt").touch()
    assert main(["check", "h36m", str(stored)]) == 2
    captured = capsys.readouterr()
    assert [line.split()[:2] for line in captured.out.splitlines()[1:]] == [["made", "gt"], ["other", "det"]]
    assert "subject S1, action Walking: 3D is nan" in captured.err
    assert "data_2d_none_gt.npz: there is no 3D of its set" in captured.err
    assert main(["check", "h36m", str(stored), "--set", "other"]) == 0
    assert main(["check", "h36m", str(stored), "--set", "othr"]) == 2
    assert "did you mean other?" in capsys.readouterr().err


def test_check_notes_where_human36m_differs_from_the_published_files(tmp_path, capsys):
    h36m.write(made_poses(name="h36m"), tmp_path)
    assert main(["check", "h36m", str(tmp_path)]) == 0
    assert "note: h36m: S1 S5 S6 S7 S8 have 56 camera frames, in the published files 1,559,752" in (
        capsys.readouterr().out
    )


def test_check_and_describe_of_a_folder_without_sets_exit_2(tmp_path, capsys):
    assert main(["check", "h36m", str(tmp_path / "none")]) == 2
    assert main(["check", "h36m", str(tmp_path)]) == 2
    assert main(["describe", "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count(f"`python -m data synth --root {tmp_path}` writes one") == 2


def test_describe_lists_sets_and_the_splits_of_them(tmp_path, capsys):
    h36m.write(made_poses(name="h36m"), tmp_path)
    h36m.write(made_poses(), tmp_path)
    assert main(["describe", "--root", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["set"] for row in found["sets"]] == ["h36m", "made"]
    assert found["sets"][1] == {
        "set": "made", "keypoints": "gt", "subjects": ["S1", "S9"], "clips": 4, "frames": 22, "views": 4,
        "joints": 17, "fps": 50.0,
    }  # fmt: skip
    assert {row["split"] for row in found["splits"]} == {"h36m", "h36m_authors"}
    assert found["splits"][0] == {
        "split": "h36m", "part": "train", "clips": 2, "frames": 14, "subjects": ["S1", "S5", "S6", "S7"],
        "missing": ["S5", "S6", "S7"],
    }  # fmt: skip
    assert main(["describe", "--root", str(tmp_path), "--data", "h36m_authors", "--json"]) == 0
    assert {row["split"] for row in json.loads(capsys.readouterr().out)["splits"]} == {"h36m_authors"}
    assert main(["describe", "--root", str(tmp_path), "--data", "h36m_autors"]) == 2
    assert "did you mean h36m_authors?" in capsys.readouterr().err


def test_the_real_set_has_its_published_size_and_fits_its_cameras(shared_dir):
    if shared_dir is None:
        pytest.skip("no real poses here")
    poses = h36m.read(shared_dir / "data" / "real", "cmu", "gt", joints=17)
    frames = {name: [len(c.pose3d) for c in poses.sequences if c.subject == name] for name in poses.subjects}
    test = frames.pop("C14")
    assert (len(test), sum(test)) == (39, 7_562)
    assert (sum(map(len, frames.values())), sum(map(sum, frames.values()))) == (123, 64_806)
    # The files hold pixels rounded to 1/32: 0.012 px away on average.
    assert max(mean for mean, _ in reprojection_px(poses).values()) < 0.1
