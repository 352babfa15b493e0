"""Ctrl-C while a command line loads ends it, without a traceback."""

import gc
import signal
import subprocess
import sys
import threading
import time

import pytest

from search import __main__ as command_line
from spaces.loading import all_kept, end_at_once, named, raise_again
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
def test_collection_rests_until_the_last_thread_needs_all(was_enabled):
    has_begun, may_end = threading.Event(), threading.Event()

    def keep():
        with all_kept():
            has_begun.set()
            may_end.wait(10)

    thread = threading.Thread(target=keep)
    is_on = gc.isenabled()
    try:
        (gc.enable if was_enabled else gc.disable)()
        with all_kept():
            thread.start()
            has_begun.wait(10)
        assert not gc.isenabled(), "the other thread is not through"
        may_end.set()
        thread.join(10)
        assert gc.isenabled() == was_enabled
    finally:
        (gc.enable if is_on else gc.disable)()


def test_a_command_line_ends_without_looking_for_garbage(monkeypatch):
    calls = []
    monkeypatch.setattr(command_line, "main", lambda *values, **options: calls.append("main") or 0)
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    assert command_line.posesweep() == 0
    assert calls == ["main", "freeze"]


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
