"""The sockets of a running sweep are those of the table in docs/cluster.md, and Ray's token file is private."""

import os
import re
import signal
import stat
import subprocess
from contextlib import suppress

import psutil
import pytest

from tests.documents.pages import rows_of, section_of, text_of
from tests.made.commands import LIMIT_S, ROOT, launch, listening_of, new_home, tree_of, wait_for

TABLE = rows_of(section_of(text_of(ROOT / "docs" / "cluster.md"), "Security"))


def kind_of(process):
    """The process's row of the table: its first word in code that begins the name; of several the longest."""
    line = " ".join(process.cmdline())
    found = [
        name for name in (row[0].split("`")[1] for row in TABLE) if re.search(rf"(^|/|-m ){re.escape(name)}", line)
    ]
    return max(found, key=len, default=line)


def test_the_table_is_whole():
    assert all(len(row) == 4 for row in TABLE)
    assert len({row[0].split("`")[1] for row in TABLE}) == len(TABLE) == 11


@pytest.mark.ray
@pytest.mark.slow
def test_a_sweep_listens_where_the_table_says_and_its_token_is_private(tmp_path, empty_store, monkeypatch):
    home = new_home(tmp_path, empty_store)
    for name in [name for name in os.environ if name.startswith("RAY_AUTH")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    options = ["--trials", "1", "--epochs", "5000", "--workers", "2", "--cpus-per-worker", "0.5", "--executor", "group"]
    rows = {row[0].split("`")[1]: row for row in TABLE}
    wanted = {name for name in rows if name.startswith(("ray", "gcs", "search launch", "dash"))}
    seen = {}

    def look():
        for process in tree_of(sweep.pid):
            with suppress(psutil.NoSuchProcess):
                if places := listening_of(process.pid):
                    seen.setdefault(kind_of(process), {}).setdefault(process.pid, set()).update(places)
        ranks = seen.get("ray::RayTrainWorker", {}).values()
        return sweep.poll() is not None or (wanted <= set(seen) and sorted(map(len, ranks)) == [2, 3])

    line = launch(home, "s", *options)
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as sweep:
        try:
            wait_for(look, LIMIT_S * 0.8)
        finally:
            sweep.send_signal(signal.SIGINT)
            printed = sweep.communicate(timeout=LIMIT_S)[0]
    token = tmp_path / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert printed.startswith(f"made {token}, mode 0600")
    assert wanted <= set(seen) <= set(rows), printed
    most = {"two": 2, "three": 3, "up to three": 3}
    for kind, processes in seen.items():
        ports, address = rows[kind][1], rows[kind][2]
        for places in processes.values():
            assert {where for where, _ in places} == {address}, (kind, places)
            if ports.startswith("ephemeral"):
                assert len(places) <= most.get(ports.partition(", ")[2], 1), (kind, places)
            else:
                fixed = {int(word) for word in re.findall(r"\d+", ports)}
                assert all(port in fixed or 8265 <= port < 8365 for _, port in places), (kind, places)
