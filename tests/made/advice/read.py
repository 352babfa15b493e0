"""Reads recorded sweeps again."""

import gzip
import json

from tests import ROOT

GOLDEN = ROOT / "tests" / "golden" / "advice"


def recorded_lines(name):
    """The lines of the journal of a recorded sweep, which begins when its first trial does: the virtual clock of the
    recording began after the first record. Without checksums, as of an early version."""
    rows = [json.loads(line) for line in gzip.decompress((GOLDEN / f"{name}.jsonl.gz").read_bytes()).splitlines()]
    for row in rows:
        row.pop("crc", None)
    rows[0]["ts_ms"] = rows[1]["ts_ms"]
    return [json.dumps(row).encode() + b"\n" for row in rows]
