"""`python -m data` on HumanEva-I and MPI-INF-3DHP: what is found, counted and noted."""

import json

from data.__main__ import VERBS
from data.formats.poses import h36m, humaneva, mpi_inf_3dhp
from spaces import cli
from tests.made.poses import made_3dhp, made_humaneva, made_poses, rewrite


def main(words):
    return cli.main("data", "Data sets.", VERBS, words)


def cells_of(out):
    """Rows of a printed table; cells with blanks in them stay together, columns are two blanks apart."""
    head, *rows = out.splitlines()
    names = head.split()
    return [dict(zip(names, (cell for cell in row.split("  ") if cell), strict=True)) for row in rows]


def test_check_counts_humaneva_and_its_pieces(tmp_path, capsys):
    humaneva.write(made_humaneva(), tmp_path)
    h36m.write(made_poses(), tmp_path)
    assert main(["check", "humaneva", str(tmp_path)]) == 0
    (row,) = cells_of(capsys.readouterr().out)
    assert {name: cell.strip() for name, cell in row.items()} == {
        "set": "made_humaneva15", "keypoints": "gt", "subjects": "2", "clips": "3", "frames": "15", "views": "3",
        "joints": "15", "fps": "60.0", "faults": "0",
    }  # fmt: skip
    assert main(["check", "h36m", str(tmp_path)]) == 0
    assert "humaneva" not in capsys.readouterr().out
    humaneva.file_3d(tmp_path, "made_humaneva15").unlink()
    assert main(["check", "h36m", str(tmp_path)]) == 0
    assert main(["check", "humaneva", str(tmp_path)]) == 2
    assert "holds no set: there is no data_3d_<set>.npz of a set with humaneva15 in its name" in capsys.readouterr().err
    humaneva.write_3d(made_humaneva("other_humaneva15"), tmp_path)
    assert main(["check", "humaneva", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "set other_humaneva15: has no data_2d_other_humaneva15_<keypoints>.npz" in err
    assert "data_2d_made_humaneva15_gt.npz: there is no 3D of its set" in err


def test_check_counts_sequences_views_rates_and_valid_frames_of_3dhp(tmp_path, capsys):
    mpi_inf_3dhp.write(made_3dhp(), tmp_path)
    assert main(["check", "3dhp", str(tmp_path)]) == 0
    (row,) = cells_of(capsys.readouterr().out)
    assert {name: cell.strip() for name, cell in row.items()} == {
        "set": "made_3dhp", "keypoints": "gt", "subjects": "4", "clips": "4", "frames": "18", "views": "8",
        "joints": "17", "fps": "25.0 50.0", "valid_frames": "7", "faults": "0",
    }  # fmt: skip
    rewrite(mpi_inf_3dhp.file_test(tmp_path, "made_3dhp"), lambda content: content["data"]["TS1"].pop("valid"))
    assert main(["check", "3dhp", str(tmp_path), "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["sets"][0]["faults"] == 1
    assert "sequence TS1: has no 'valid'" in captured.err


def test_check_notes_where_3dhp_differs_from_the_published_files(tmp_path, capsys):
    mpi_inf_3dhp.write(made_3dhp("3dhp"), tmp_path)
    assert main(["check", "3dhp", str(tmp_path)]) == 0
    assert "note: 3dhp: S1 Seq1 has 4 frames at 25, in the published files 6,416 at 25 per second" in (
        capsys.readouterr().out
    )


def test_describe_lists_every_layout(tmp_path, capsys):
    humaneva.write(made_humaneva(), tmp_path)
    mpi_inf_3dhp.write(made_3dhp(), tmp_path)
    assert main(["describe", "--root", str(tmp_path), "--json"]) == 0
    assert [(row["set"], row["fps"], row["frames"]) for row in json.loads(capsys.readouterr().out)["sets"]] == [
        ("made_humaneva15", 60.0, 15), ("made_3dhp", [25.0, 50.0], 18)
    ]  # fmt: skip
    assert main(["describe", "--root", str(tmp_path), "--data", "made_3dhp"]) == 0
    assert "humaneva" not in capsys.readouterr().out
