"""Ctrl-C while a command line loads ends it, without a traceback."""

import gc
import signal
import subprocess
import sys
import time

import pytest

from spaces.loading import end_at_once, named, raise_again
from tests import ROOT


@pytest.mark.parametrize("package", ["search", "data", "trainables"])
def test_no_traceback_comes_from_the_imports(package, tmp_path):
    # The first module that is loaded after ours says so, and waits.
    loader = (
        "import runpy, sys, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'spaces.cli':\n"
        "            print('loading', flush=True)\n"
        "            time.sleep(30)\n"
        "sys.meta_path.insert(0, Slow())\n"
        f"runpy.run_module({package!r}, run_name='__main__', alter_sys=True)\n"
    )
    line = [sys.executable, "-c", loader]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout.readline() == "loading\n"
        asked = time.monotonic()
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (-signal.SIGINT, "")
    assert time.monotonic() - asked < 10


def test_an_interrupt_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        end_at_once()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        raise_again()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        end_at_once()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        raise_again()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("was_enabled", [True, False])
def test_imports_are_not_looked_through_for_garbage(was_enabled, monkeypatch):
    seen = []
    monkeypatch.setattr("importlib.import_module", lambda name: seen.append(gc.isenabled()))
    try:
        (gc.enable if was_enabled else gc.disable)()
        with pytest.raises(AttributeError):
            named("missing:attribute")
        assert (seen, gc.isenabled()) == ([False], was_enabled)
    finally:
        gc.enable()
