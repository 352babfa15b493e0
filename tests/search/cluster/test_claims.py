"""Claims: where their files lie, what they survive, and how sweeps share CPUs and GPUs by identity."""

import os
import stat
import subprocess
import sys
import time

import pytest

from search.cluster import claim_files, gpus, session
from search.cluster.claims import Wish, claimed_share
from search.cluster.gpus import Gpu, only_visible, share_out, visible_gpus
from spaces.errors import ConfigError
from tests import ROOT

A, B, C = (Gpu(str(number), f"GPU-{name * 8}") for number, name in enumerate("abc"))


def wish(who="sweep one", cpus=1.0, each=0.0, workers=1, at_a_time=None, is_sweep=True):
    return Wish(who=who, workers=workers, cpus=cpus, gpus=each, at_a_time=at_a_time, is_sweep=is_sweep)


def share(wanted, cpus=8.0, have=()):
    return claimed_share(wanted.demand(has_gpus=bool(have)), wanted, cpus, have)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "claims"
    monkeypatch.setenv("POSESWEEP_CLAIMS", str(path))
    return path


# --- the folder


def test_the_folder_and_its_files_are_the_owners_alone(folder):
    before = os.umask(0)
    try:
        with share(wish()):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            names = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in folder.iterdir()}
            assert len(names) == 2
            assert set(names.values()) == {0o600}
    finally:
        os.umask(before)
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_folder_that_others_can_only_read_is_narrowed(folder):
    folder.mkdir(mode=0o755)
    with share(wish()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def _linked(path):
    path.with_name("elsewhere").mkdir(mode=0o700)
    path.symlink_to("elsewhere")


def _opened(path):
    path.mkdir()
    path.chmod(0o770)


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (_linked, "is a link; "),
        (_opened, "can be written by others (mode 0770); "),
        (lambda path: path.write_text("x"), "cannot be used: "),
        (lambda path: os.mkfifo(path), "cannot be used: "),
        (lambda path: path.symlink_to("nowhere"), "is a link; "),
    ],
    ids=["link", "writable", "file", "pipe", "dangling"],
)
def test_a_folder_that_is_not_safely_ours_is_refused(folder, made, fault):
    made(folder)
    with pytest.raises(ConfigError) as caught, share(wish()):
        pytest.fail("it was used")
    assert str(caught.value).startswith(f"claims in {folder}: {fault}")
    assert "POSESWEEP_CLAIMS=DIR" in str(caught.value)


def test_a_folder_of_somebody_else_is_refused(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(ConfigError, match=f"belongs to user {owner}; remove it, or name another"), share(wish()):
        pytest.fail("it was used")


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_a_gate_that_is_no_file_is_refused_at_once(folder, made):
    folder.mkdir(mode=0o700)
    made(folder / "lock")
    with pytest.raises(ConfigError, match=r"is no plain file|cannot be opened"), share(wish()):
        pytest.fail("it was used")


def test_a_gate_that_stays_locked_is_not_waited_for_without_end(folder, monkeypatch):
    monkeypatch.setattr(claim_files, "WAIT_S", 0.2)
    with claim_files.open_claims(), pytest.raises(ConfigError, match="stays locked by another process"), share(wish()):
        pytest.fail("it was used")


def test_what_lies_among_the_claims_is_passed_over(folder, tmp_path):
    folder.mkdir(mode=0o700)
    (tmp_path / "kept").write_text("kept")
    os.mkfifo(folder / "pipe.claim")
    (folder / "folder.claim").mkdir()
    (folder / "link.claim").symlink_to(tmp_path / "kept")
    (folder / "other.txt").write_text("x")
    (folder / "ended.claim").write_text("garbage of a process that has ended")
    texts = ["garbage", "[1]", '{"who": 1}', '{"who": "x", "CPU": "a", "GPU": 0}', "[" * 60000, "\xff", "x" * (1 << 22)]
    texts.append('{"who": "x", "CPU": 1, "GPU": 0, "gpus": [1]}')
    held = []
    for number, text in enumerate(texts):
        (folder / f"held{number}.claim").write_text(text, encoding="latin-1")
        held.append(os.open(folder / f"held{number}.claim", os.O_RDONLY))
        claim_files.fcntl.flock(held[-1], claim_files.fcntl.LOCK_EX)
    began = time.monotonic()
    with share(wish(cpus=1.0), cpus=4.0) as found:
        assert found.at_a_time == 4
    assert time.monotonic() - began < 5
    assert not (folder / "ended.claim").exists()
    assert (tmp_path / "kept").read_text() == "kept"
    for file in held:
        os.close(file)


def test_the_claim_of_a_killed_process_ends_with_it(folder):
    code = "from tests.search.cluster.test_claims import share, wish\n"
    code += "import time\nwith share(wish('sweep killed', cpus=8.0)): print('in', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(ConfigError, match="in use: sweep killed 8 CPU and 0 GPU"), share(wish()):
            pytest.fail("it was used")
        other.kill()
        other.wait()
    with share(wish()) as found:
        assert found.at_a_time == 8


# --- shares


def test_two_sweeps_get_different_gpus_and_a_third_none(folder):
    with share(wish("sweep a", each=1.0, at_a_time=1), have=[A, B]) as first:
        assert first.gpus == (A,)
        with share(wish("sweep b", each=1.0), have=[A, B]) as second:
            assert (second.gpus, second.at_a_time) == ((B,), 1)
            fault = "a trial needs 1 CPU and 1 GPU; 8 CPU and 2 GPU here, 6 CPU and 0 GPU free .in use: sweep . 1 CPU"
            with pytest.raises(ConfigError, match=fault), share(wish("sweep c", each=1.0), have=[A, B]):
                pytest.fail("it was given one")
    with share(wish("sweep d", each=1.0), have=[A, B]) as later:
        assert later.gpus == (A, B)


def test_a_gpu_named_by_its_number_and_by_its_uuid_is_one(folder):
    by_uuid = Gpu(B.identity, B.identity)
    with (
        share(wish(each=1.0), have=[by_uuid]),
        share(wish("sweep two", each=1.0), have=[A, B]) as second,
    ):
        assert second.gpus == (A,)


def test_sweeps_with_other_visible_gpus_share_the_machine(folder):
    with share(wish(each=1.0), have=[A]), share(wish("sweep two", each=1.0), have=[B]) as second:
        assert second.gpus == (B,)


def test_a_sweep_without_gpus_takes_none(folder):
    with share(wish(each=0.0), have=[A, B]) as first, share(wish("two", each=1.0, cpus=0.0), have=[A, B]) as second:
        assert first.gpus == ()
        assert second.gpus == (A, B)


def test_a_single_run_claims_nothing_and_takes_the_gpu_that_is_used_least(folder):
    with share(wish(each=1.0, at_a_time=1), have=[A, B]):
        for _ in range(2):
            with share(wish("train x", each=1.0, at_a_time=1, is_sweep=False), have=[A, B]) as run:
                assert (run.gpus, run.at_a_time) == ((B,), 1)
        assert len(list(folder.glob("*.claim"))) == 1


def test_a_single_run_without_gpus_does_not_look_at_the_folder(folder):
    _opened(folder)
    with share(wish(is_sweep=False)) as run:
        assert run.at_a_time == 8


@pytest.mark.parametrize(
    ("workers", "each", "most", "free", "count", "shares"),
    [
        (1, 1.0, None, {"a": 1, "b": 1}, 2, {"a": 1, "b": 1}),
        (1, 1.0, 1, {"a": 1, "b": 1}, 1, {"a": 1}),
        (2, 1.0, None, {"a": 1, "b": 1, "c": 1}, 1, {"a": 1, "b": 1}),
        (1, 2.0, None, {"a": 1, "b": 1, "c": 1}, 1, {"a": 1, "b": 1}),
        (1, 1.0, None, {"a": 0.5, "b": 0.5}, 0, {}),  # two halves are no GPU
        (1, 0.5, None, {"a": 1}, 2, {"a": 1.0}),
        (1, 0.5, 1, {"a": 1, "b": 1}, 1, {"a": 0.5}),
        (1, 0.5, 1, {"a": 1, "b": 0.5}, 1, {"b": 0.5}),  # what is begun is filled first
        (1, 0.5, None, {"a": 0.5}, 1, {"a": 0.5}),
        (1, 0.5, 3, {"a": 1, "b": 1}, 3, {"a": 1, "b": 1}),  # Ray chooses between them, so both are taken whole
        (1, 0.25, None, {"a": 0.25, "b": 0}, 1, {"a": 0.25}),
        (2, 0.5, None, {"a": 1, "b": 1}, 2, {"a": 1, "b": 1}),
        (1, 0.5, None, {"a": 0.4}, 0, {}),
    ],
)  # fmt: skip
def test_trials_are_shared_out_over_gpus(workers, each, most, free, count, shares):
    assert share_out(workers, each, most, free) == (count, shares)


# --- identities


@pytest.fixture
def machine(monkeypatch):
    """A machine whose torch sees `count` GPUs and whose driver lists the three."""

    def made(count, listed):
        monkeypatch.setattr(gpus, "_count", lambda: count)
        monkeypatch.setattr(gpus, "_uuids", lambda: {one.name: one.identity for one in (A, B, C)})
        if listed is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
        return visible_gpus()

    return made


def test_gpus_are_known_by_number_and_by_uuid(machine):
    assert machine(3, None) == [A, B, C]
    assert machine(2, "2,0") == [C, A]
    assert machine(1, f" {B.identity}") == [Gpu(B.identity, B.identity)]
    assert machine(1, "gpu-bbbb") == [Gpu("gpu-bbbb", B.identity)]
    assert machine(2, "1,0,-1,2") == [B, A]  # torch stops at what is no GPU
    assert machine(1, "MIG-1234") == [Gpu("MIG-1234", "MIG-1234")]
    assert machine(0, "") == []


def test_without_the_drivers_tools_a_number_is_the_identity(monkeypatch):
    monkeypatch.setattr(gpus, "_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "")
    assert visible_gpus() == [Gpu("0", "0"), Gpu("1", "1")]


def test_what_the_driver_lists_is_read(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, GPU-aa'\necho '1, GPU-bb'\n")
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gpus._uuids() == {"0": "GPU-aa", "1": "GPU-bb"}
    tool.write_text("#!/bin/sh\necho 'has failed, because'\nexit 9\n")
    assert gpus._uuids() == {}


def test_the_ray_of_a_sweep_has_the_gpus_of_its_claim_and_no_others(folder, machine, monkeypatch):
    machine(3, "2,1,0")
    started = []

    def start(num_cpus, num_gpus, folder, *rest, **named):
        started.append((num_cpus, num_gpus, os.environ["CUDA_VISIBLE_DEVICES"]))

    monkeypatch.setattr(session, "start_own", start)
    monkeypatch.setattr(session, "num_cpus", lambda: 8)
    monkeypatch.setattr(session.ray, "shutdown", lambda: None)
    monkeypatch.setenv("PYTHONPATH", "")
    with session.ray_session(None, wish("sweep a", cpus=2.0, each=None, at_a_time=2)) as (demand, at_a_time, _):
        assert (demand.gpus, at_a_time) == (1.0, 2)
        # What is visible to another process is not what the first one has hidden from itself.
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1,0")
        with session.ray_session(None, wish("sweep b", cpus=2.0, each=None)) as (_, at_a_time, _):
            assert at_a_time == 1
        with session.ray_session(None, wish("sweep c", cpus=2.0, each=0.0)) as (_, at_a_time, _):
            assert at_a_time == 2
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,1,0"
    assert started == [(4, 2, "2,1"), (2, 1, "0"), (4, 0, "")]


@pytest.mark.parametrize("before", [None, "0,1,2"])
def test_other_gpus_are_hidden_for_the_time_of_a_sweep(monkeypatch, before):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    with only_visible([C, A]):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,0"
    with only_visible([]):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
