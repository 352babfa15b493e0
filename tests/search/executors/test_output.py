"""What an attempt prints is kept in its trial's folder, whatever prints it, and the process is as before afterwards."""

import logging
import os
import subprocess
import sys

import pytest

from search.executors.output import output_kept
from tests import ROOT
from tests.made.small import tiny_config
from trainables.runs.folder import RunFolder


def test_everything_printed_is_kept_until_the_attempt_ends(tmp_path, capfd):
    streams = sys.stdout, sys.stderr
    with output_kept(tmp_path / "0003", 0, "trial 3, attempt 1"):
        print("from Python")
        print("to stderr", file=sys.stderr)
        os.write(1, b"from below\n")
        os.write(2, b"from below, to stderr\n")
        subprocess.run(["echo", "from another program"], check=True)
        logging.lastResort.handle(logging.LogRecord("a", logging.WARNING, "", 0, "a warning of logging", (), None))
        print("äöü \ud800")
    assert (sys.stdout, sys.stderr) == streams
    os.write(1, b"afterwards\n")
    out, err = capfd.readouterr()
    assert (out, err) == ("afterwards\n", "")
    head, *lines = (tmp_path / "0003" / "log.txt").read_text().splitlines()
    assert head.startswith("--- trial 3, attempt 1, ")
    assert f"process {os.getpid()}, 20" in head
    assert lines[:6] == [
        *("from Python", "to stderr", "from below", "from below, to stderr", "from another program"),
        "a warning of logging",
    ]
    assert lines[-1] == r"äöü \ud800"


def test_a_later_attempt_is_appended_and_another_trial_has_its_own_file(tmp_path):
    for folder, rank, word in (("0000", 0, "one"), ("0001", 0, "other"), ("0000", 0, "two"), ("0000", 1, "ranked")):
        with output_kept(tmp_path / folder, rank, "x"):
            print(word)

    def printed(name):
        return [line for line in (tmp_path / name).read_text().splitlines() if not line.startswith("---")]

    assert printed("0000/log.txt") == ["one", "two"]
    assert printed("0000/log.1.txt") == ["ranked"]
    assert printed("0001/log.txt") == ["other"]


def test_a_traceback_is_kept_and_raised_on_and_a_stop_is_none(tmp_path):
    with pytest.raises(ValueError, match="no such joint"), output_kept(tmp_path, 0, "x"):
        raise ValueError("no such joint")
    text = (tmp_path / "log.txt").read_text()
    assert "Traceback (most recent call last)" in text
    assert text.endswith("ValueError: no such joint\n")
    with pytest.raises(SystemExit), output_kept(tmp_path, 0, "x"):
        raise SystemExit  # as Tune ends a pruned trial
    assert "SystemExit" not in (tmp_path / "log.txt").read_text()


def test_descriptors_are_not_used_up(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with output_kept(tmp_path, 0, "x"):
            print("one")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("place", ["a full disk", "a folder that cannot be made", "a folder in place of the file"])
def test_a_log_that_cannot_be_written_ends_nothing(tmp_path, capfd, place):
    folder = tmp_path / "0000"
    if place == "a full disk":
        folder.mkdir()
        (folder / "log.txt").symlink_to("/dev/full")
    elif place == "a folder that cannot be made":
        folder.touch()
    else:
        (folder / "log.txt").mkdir(parents=True)
    done = False
    with output_kept(folder, 0, "x"):
        print("something")
        sys.stderr.write("something")
        sys.stdout.flush()
        done = True
    assert done
    print("afterwards")
    assert "afterwards" in capfd.readouterr().out


KILLED = """
import os, sys, warnings
from pathlib import Path
from search.executors.output import output_kept
with output_kept(Path(sys.argv[1]), 0, "x"):
    warnings.warn("a warning of Python")
    print("last words")
    os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_what_it_printed(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    _, warning, *_, last = (tmp_path / "log.txt").read_text().splitlines()
    assert warning.endswith("UserWarning: a warning of Python")
    assert last == "last words"


def test_a_folder_with_nothing_but_output_is_a_new_run(tmp_path):
    for name in ("log.txt", "log.1.txt", ".config.yaml.ab12_x9z"):
        (tmp_path / name).touch()
    assert RunFolder(tmp_path, tiny_config(tmp_path)).resume_state() is None
