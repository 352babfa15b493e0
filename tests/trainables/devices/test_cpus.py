"""How many CPUs a process may use."""

import os
import re
import subprocess
import sys

import pytest

from tests import ROOT
from trainables.devices import cpus


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.mark.parametrize(("text", "quota"), [("150000 100000", 1.5), ("max 100000", None), ("", None)])
def test_a_quota_of_cgroups_version_2_is_read(tmp_path, text, quota):
    (tmp_path / "own").write_text("0::/job/task\n")
    group(tmp_path / "job" / "task", cpu__max="max 100000")
    group(tmp_path / "job", cpu__max=text)
    assert cpus.cgroup_quota(tmp_path, tmp_path / "own") == quota


def test_the_tightest_quota_counts(tmp_path):
    (tmp_path / "own").write_text("0::/job\n")
    group(tmp_path, cpu__max="300000 100000")
    group(tmp_path / "job", cpu__max="800000 100000")
    assert cpus.cgroup_quota(tmp_path, tmp_path / "own") == 3


def test_a_quota_of_cgroups_version_1_is_read_where_only_the_root_is_visible(tmp_path):
    (tmp_path / "own").write_text("4:cpu,cpuacct:/docker/0a1b\n3:memory:/docker/0a1b\n")
    group(tmp_path / "cpu", cpu__cfs_quota_us="250000", cpu__cfs_period_us="100000")
    assert cpus.cgroup_quota(tmp_path, tmp_path / "own") == 2.5
    group(tmp_path / "cpu", cpu__cfs_quota_us="-1")
    assert cpus.cgroup_quota(tmp_path, tmp_path / "own") is None


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_the_tightest_quota_of_nested_groups_of_version_1_counts(tmp_path, mount):
    (tmp_path / "own").write_text("0::/init.scope\n4:cpu,cpuacct:/pods/one\n7:cpuset:/pods/one\n")
    group(tmp_path / mount / "pods", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    group(tmp_path / mount / "pods" / "one", cpu__cfs_quota_us="400000", cpu__cfs_period_us="50000")
    group(tmp_path / "cpuset" / "pods", cpu__cfs_quota_us="100", cpu__cfs_period_us="100")  # no quota of CPU time
    assert cpus.cgroup_quota(tmp_path, tmp_path / "own") == 3


def test_a_mask_narrowed_by_the_system_is_what_counts():
    """The kernel keeps the mask within the cpuset of the cgroup, so that a narrowed process counts what it has."""
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from trainables.devices.cpus import num_cpus; print(num_cpus())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize("text", ["garbage", "1 0", "-5 100000", "1 2 3", "\x00"])
def test_what_is_no_quota_limits_nothing(tmp_path, text):
    (tmp_path / "own").write_text("garbage\n0::/\n")
    group(tmp_path, cpu__max=text)
    assert cpus.cgroup_quota(tmp_path, tmp_path / "own") is None


def test_no_other_place_counts_cpus():
    found = [
        path.relative_to(ROOT).as_posix()
        for floor in ("spaces", "data", "trainables", "search", "bench")
        for path in (ROOT / floor).rglob("*.py")
        if re.search(r"cpu_count|sched_getaffinity|\bnproc\b", path.read_text(encoding="utf-8"))
    ]
    assert found == ["trainables/devices/cpus.py"]


def test_where_there_are_no_cgroups_there_is_no_quota(tmp_path):
    assert cpus.cgroup_quota(tmp_path / "none", tmp_path / "nothing") is None


@pytest.mark.parametrize(("quota", "count"), [(None, 4), (2.9, 2), (0.5, 1), (64.0, 4)])
def test_the_affinity_mask_and_the_quota_limit_the_count(monkeypatch, quota, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5}, raising=False)
    monkeypatch.setattr(cpus, "cgroup_quota", lambda: quota)
    assert cpus.num_cpus() == count
