"""`clean`: what it finds, what it asks, what it removes, and what it never touches."""

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from search.__main__ import VERBS
from search.cluster import sessions
from search.cluster.scratch import left_folders, scratch_folder
from search.cluster.sessions import clear_ray
from search.executors.mirror import Mirror
from search.record.journal import trial_folder
from spaces.cli import BAD_INPUT, FAILED, OK
from tests.made.sweeps import answer_of, book, files_below, made_journal, made_plan
from trainables.runs.names import BEST, CONFIG, LATEST, LOG

GONE = 2**22 + 1  # the number of no process: beyond the most that Linux gives


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder for temporary files and Ray's sessions, with nothing in it."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(sessions, "SHORT", (str(tmp_path / "short"),))
    return folder


def session(machine, process=GONE, name="2026-11-29_12-45-04_158344"):
    folder = machine / "ray" / f"session_{name}_{process}"
    (folder / "sockets").mkdir(parents=True)
    (folder / "logs").mkdir()
    (folder / "logs" / "raylet.out").write_bytes(b"x" * 500)
    return folder


def made(storage, name="first", **options):
    """A sweep that was interrupted: the best trial that ended, one that was pruned, one that is to go on, and what a
    write that was cut short left."""
    plan = made_plan(name, **{"trials": 4, "keep": "best", **options})
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 2e-3}, [60.0, 52.0])
    book(journal, plan, {"optim.lr": 3e-3}, [70.0], "pruned")
    book(journal, plan, {"optim.lr": 4e-3}, [48.0], "stopped")
    for number in range(3):
        for file in (BEST, CONFIG, LATEST, LOG, "log.txt"):
            path = trial_folder(journal.path.parent, number) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * 1000)
    part = trial_folder(journal.path.parent, 1) / ".best.safetensors.ab12_x9z"
    part.write_bytes(b"x" * 100)
    os.utime(part, (1e9, 1e9))
    journal.unlock()
    return journal


def left(answer, *words):
    """What is listed, as (what, path), and the exit code."""
    code, out, err = answer("clean", *words, "--json")
    found = json.loads(out)
    assert found["bytes"] == sum(one["bytes"] for one in found["left"])
    return {(one["what"], one["path"]) for one in found["left"]}, code, err, found["removed"]


def test_nothing_is_removed_without_a_word_of_agreement(tmp_path, machine, answer, monkeypatch):
    storage = tmp_path / "sweeps"
    made(storage)
    session(machine)
    before = files_below(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, out, err = answer("clean", "--storage", storage)
    assert code == BAD_INPUT
    assert err.startswith("clean: nothing was removed: there is no terminal to ask at; add --yes")
    assert "training state" in out
    assert "4 in all, 3 kB" in out
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert answer("clean", "--storage", storage)[0] == OK
    assert files_below(tmp_path) == before


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_who_agrees_has_it_removed(tmp_path, machine, answer, monkeypatch):
    storage = tmp_path / "sweeps"
    made(storage)
    folder = session(machine)
    (machine / "ray" / "session_latest").symlink_to(folder)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    code, _, err = answer("clean", "--storage", storage)
    assert (code, "all of this is removed" in err) == (OK, True)
    assert not list((machine / "ray").iterdir())
    home = storage / "first" / "trials"
    there = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    logs = {f"000{number}/{name}" for number in range(3) for name in (BEST, CONFIG, LOG, "log.txt")}
    assert there == logs | {f"0002/{LATEST}"}
    code, out, _ = answer("clean", "--storage", storage)
    assert (code, out) == (OK, "nothing is left behind\n")


def test_weights_go_only_when_they_are_asked_for(tmp_path, machine, answer):
    storage = tmp_path / "sweeps"
    made(storage)
    weights = {("weights", str(storage / "first" / "trials" / "0001" / BEST))}
    assert not left(answer, "--storage", storage)[0] & weights
    found, code, _, removed = left(answer, "first", "--storage", storage, "--weights", "--yes")
    assert (code, removed) == (OK, True)
    assert weights <= found
    assert [(storage / "first" / "trials" / f"000{number}" / BEST).exists() for number in range(3)] == [
        True,
        False,
        True,
    ]


def test_states_that_were_asked_for_stay_unless_the_sweep_is_named(tmp_path, machine, answer):
    storage = tmp_path / "sweeps"
    made(storage, keep="last")
    kinds = {what for what, _ in left(answer, "--storage", storage)[0]}
    assert kinds == {"unfinished file"}
    assert "training state" in {what for what, _ in left(answer, "first", "--storage", storage)[0]}


def test_a_running_sweep_is_left_alone(tmp_path, machine, answer):
    storage = tmp_path / "sweeps"
    journal = made(storage)
    journal.lock()
    before = files_below(storage)
    found, code, err, _ = left(answer, "--storage", storage, "--yes")
    assert (found, code) == (set(), OK)
    assert "sweep first is left alone: it is running" in err
    assert files_below(storage) == before
    journal.unlock()


def test_links_are_not_followed(tmp_path, machine, answer):
    storage, away = tmp_path / "sweeps", tmp_path / "away"
    made(away, "linked")
    storage.mkdir()
    (storage / "linked").symlink_to(away / "linked")
    made(storage, "second")
    state = storage / "second" / "trials" / "0001" / "latest"
    (away / "state").mkdir()
    (away / "state" / "state.pt").touch()
    (state / "state.pt").unlink()
    state.rmdir()
    state.symlink_to(away / "state")
    (machine / "ray").mkdir()
    (machine / "ray" / f"session_2026-11-29_12-45-04_158344_{GONE}").symlink_to(away)
    before = files_below(away)
    assert left(answer, "--storage", storage, "--yes")[1] == OK
    assert files_below(away) == before
    assert state.is_symlink()


def test_a_damaged_sweep_is_left_alone_and_hides_no_other(tmp_path, machine, answer):
    storage = tmp_path / "sweeps"
    made(storage)
    damaged = made(storage, "second").path
    damaged.write_bytes(damaged.read_bytes().replace(b"70.0", b"71.0"))
    before = files_below(storage / "second")
    found, code, err, _ = left(answer, "--storage", storage, "--yes")
    assert code == OK
    assert len(found) == 3
    assert "sweep second is left alone" in err
    assert files_below(storage / "second") == before


def test_files_that_are_being_written_are_left_alone(tmp_path, machine, answer):
    storage = tmp_path / "sweeps"
    journal = made(storage)
    fresh = journal.path.parent / ".best.yaml.ab12_x9z"
    fresh.touch()
    assert str(fresh) not in {path for _, path in left(answer, "--storage", storage, "--yes")[0]}
    assert fresh.exists()


def test_copies_at_the_uri_are_found_and_removed(tmp_path, machine, answer):
    storage, uri = tmp_path / "sweeps", f"local://{tmp_path / 'bucket'}"
    journal = made(storage, checkpoints=uri)
    for number in range(3):
        Mirror(uri, "first", number).send(trial_folder(journal.path.parent, number), with_best=True)
    bucket = tmp_path / "bucket" / "first" / "trials"
    (bucket / "0001" / f"{BEST}.part").touch()
    found, code, _, _ = left(answer, "first", "--storage", storage, "--weights", "--yes")
    assert code == OK
    assert ("training state", f"{uri}/first/trials/0000/{LATEST}") in found
    there = {str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file()}
    configs = {f"000{number}/{CONFIG}" for number in range(3)}
    assert there == configs | {f"0000/{BEST}", f"0002/{BEST}", f"0002/{LATEST}"}


def test_a_store_that_does_not_answer_hides_nothing_here(tmp_path, machine, answer):
    storage = tmp_path / "sweeps"
    made(storage, checkpoints="nosuch://bucket")
    found, code, err, _ = left(answer, "--storage", storage, "--yes")
    assert len(found) == 3
    assert "the copies of sweep first are left alone: the checkpoint store nosuch://bucket" in err
    assert code == FAILED
    assert left(answer, "--storage", storage)[0] == set()


def test_what_cannot_be_removed_is_told(tmp_path, machine, answer, monkeypatch):
    storage = tmp_path / "sweeps"
    made(storage)

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("search.results.clean.remove", refuse)
    _, code, err, removed = left(answer, "--storage", storage, "--yes")
    assert (code, removed) == (FAILED, False)
    assert err.count("could not be removed: Permission denied") == 3


# --- sessions and temporary folders


def test_sessions_in_use_and_of_others_are_left_alone(answer, tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # the path of a socket may not be long
        machine = Path(short)
        monkeypatch.setenv("RAY_TMPDIR", short)
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.setattr(sessions, "SHORT", ())
        mine = session(machine)
        session(machine, os.getpid(), "2026-11-29_12-45-05_000001")
        named = session(machine, GONE, "2026-11-29_12-45-06_000002")
        answering = session(machine, GONE, "2026-11-29_12-45-07_000003")
        (machine / "ray" / "session_of_mine").mkdir()
        line = [sys.executable, "-c", "import sys; sys.stdin.read()", f"--session-dir={named}"]
        with subprocess.Popen(line, stdin=subprocess.PIPE), socket.socket(socket.AF_UNIX) as server:
            server.bind(str(answering / "sockets" / "raylet"))
            server.listen()
            found = {path for _, path in left(answer, "--storage", tmp_path / "none")[0]}
        assert found == {str(mine)}
        # Those of processes that have ended are left behind, too.
        assert len(left(answer, "--storage", tmp_path / "none")[0]) == 3
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert left(answer, "--storage", tmp_path / "none")[0] == set()


def test_a_session_in_a_private_folder_goes_with_it(machine, tmp_path, answer):
    folder = tmp_path / "short" / "ray-ab12_x9z" / f"session_2026-11-29_12-45-04_158344_{GONE}"
    folder.mkdir(parents=True)
    (folder.parent / "session_latest").symlink_to(folder)
    found, code, _, _ = left(answer, "--storage", tmp_path / "none", "--yes")
    assert (found, code) == ({("Ray session", str(folder))}, OK)
    assert not folder.parent.exists()


def test_a_temporary_folder_is_left_alone_while_its_process_lives(machine):
    (machine / "posesweep-0").mkdir()  # claims
    (machine / "posesweep-12345678").mkdir()
    (machine / "posesweep-notes").mkdir()
    with scratch_folder() as folder:
        assert left_folders() == []
        (folder / "file").touch()
    assert not folder.exists()
    killed = machine / "posesweep-ab12_x9z"
    killed.mkdir()
    assert left_folders() == [killed]


@pytest.mark.parametrize(("code", "stays"), [(OK, False), (FAILED, True), (130, True)])
def test_rays_folders_go_after_a_good_end_and_stay_after_a_bad_one(machine, tmp_path, capsys, code, stays):
    folder, groups = session(machine), tmp_path / "first" / "ray"
    (machine / "ray" / "session_latest").symlink_to(folder)
    (groups / "group-0000").mkdir(parents=True)
    clear_ray(folder, groups, code)
    assert (folder.exists(), groups.exists(), (machine / "ray" / "session_latest").is_symlink()) == (stays,) * 3
    assert (f"Ray's logs are in {folder}" in capsys.readouterr().err) == (code == FAILED)
