"""What a killed driver leaves is ended by the process that waits for its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.cluster.orphans import MARK, MOMENT, carriers, marked, no_orphans
from tests import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="needs /proc")

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
DRIVER = f"""
import subprocess, sys, time
from search.cluster.orphans import marked, no_orphans
with no_orphans() as mark:
    with marked(mark):
        ours = subprocess.Popen({SLEEP}, start_new_session=True)
    other = subprocess.Popen({SLEEP}, start_new_session=True)
    print(ours.pid, other.pid, flush=True)
    {{}}
"""


def pids(code):
    driver = subprocess.Popen([sys.executable, "-c", DRIVER.format(code)], cwd=ROOT, stdout=subprocess.PIPE)
    ours, other = (int(word) for word in driver.stdout.readline().split())
    return driver, ours, other


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def ends_within(pid, seconds):
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_what_a_killed_driver_started_ends_and_nothing_else(number):
    driver, ours, other = pids("time.sleep(60)")
    driver.send_signal(number)
    driver.wait()
    driver.stdout.close()
    assert ends_within(ours, 20.0)
    assert is_alive(other)
    os.kill(other, signal.SIGKILL)


def test_an_exception_ends_it_before_it_goes_on():
    driver, ours, other = pids("raise ValueError")
    driver.wait()
    driver.stdout.close()
    assert not is_alive(ours)
    os.kill(other, signal.SIGKILL)


def test_a_good_end_leaves_all_as_it_is():
    with no_orphans() as mark:
        with marked(mark):
            assert os.environ[MARK] == mark
            ours = subprocess.Popen(SLEEP)
        assert MARK not in os.environ
    with pytest.raises(subprocess.TimeoutExpired):
        ours.wait(2.5)
    ours.kill()
    ours.wait()


def test_a_process_that_hides_its_environment_is_known_by_its_session_of_ray(tmp_path):
    now, driver = time.strftime(MOMENT), os.getpid()
    names = {
        "ours": f"session_{now}_123456_{driver}",
        "older": f"session_2020-01-01_00-00-00_123456_{driver}",
        "of another": f"session_{now}_123456_{driver + 1}",
    }
    holders = {}
    for whose, name in names.items():
        (tmp_path / name).mkdir()
        with (tmp_path / name / "agent.log").open("w") as log:
            holders[whose] = subprocess.Popen(SLEEP, stdout=log)
    try:
        with (tmp_path / names["ours"] / "driver.log").open("w"):  # the driver itself is not one of them
            assert carriers("no such mark", driver, now) == [holders["ours"].pid]
    finally:
        for holder in holders.values():
            holder.kill()
            holder.wait()
