"""The sockets of a running sweep are those of the table in docs/cluster.md, and Ray's token file is private."""

import re
import stat

import pytest

from tests.documents.pages import rows_of, section_of, text_of
from tests.made.commands import ROOT

TABLE = rows_of(section_of(text_of(ROOT / "docs" / "cluster.md"), "Security"))


def kind_of(line):
    """A process's row of the table: its first word in code that begins the name; of several the longest."""
    found = [
        name for name in (row[0].split("`")[1] for row in TABLE) if re.search(rf"(^|/|-m ){re.escape(name)}", line)
    ]
    return max(found, key=len, default=line)


def test_the_table_is_whole():
    assert all(len(row) == 4 for row in TABLE)
    assert len({row[0].split("`")[1] for row in TABLE}) == len(TABLE) == 9


@pytest.mark.ray
@pytest.mark.slow
def test_a_sweep_listens_where_the_table_says_and_its_token_is_private(grouped):
    rows = {row[0].split("`")[1]: row for row in TABLE}
    wanted = {name for name in rows if name.startswith(("ray", "gcs", "search launch"))}
    seen = {}
    kinds = {}
    for line, pid in grouped.heard:
        # A worker's name changes with what it does; the longest says what it is.
        kinds[pid] = max(kinds.get(pid, ""), kind_of(line), key=len)
    for (_, pid), places in grouped.heard.items():
        seen.setdefault(kinds[pid], {}).setdefault(pid, set()).update(places)
    token = grouped.home / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert f"made {token}, mode 0600" in grouped.printed
    assert wanted <= set(seen) <= set(rows), grouped.printed
    assert {2, 3} <= {len(places) for places in seen["ray::RayTrainWorker"].values()}
    most = {"two": 2, "three": 3, "up to three": 3}
    for kind, processes in seen.items():
        ports, address = rows[kind][1], rows[kind][2]
        for places in processes.values():
            assert {where for where, _ in places} == {address}, (kind, places)
            assert ports.startswith("ephemeral"), kind
            assert len(places) <= most.get(ports.partition(", ")[2], 1), (kind, places)
