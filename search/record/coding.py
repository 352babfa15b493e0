"""Records as text: each is encoded as one line of JSON, decoded, and checked on the way."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from .records import KINDS, Entry, MisfitError, Row, kind_of

_BY_KIND = {kind_of(kind): kind for kind in KINDS}
_ONE = msgspec.json.Decoder(Entry).decode
_MANY = msgspec.json.Decoder(list[Entry]).decode


def to_text(row: Row) -> str:
    """Encodes a record as one line of JSON, without newline or checksum."""
    return json.dumps(row.to_record())


def from_text(text: bytes | str) -> Row:
    """Decodes a record of any kind, the inverse of `to_text`; a leading checksum field is ignored. MisfitError if the
    text is no valid record."""
    try:
        return _ONE(text)
    except (ValueError, RecursionError):
        return _read_slowly(text)  # it is damaged, a sweep's head, or has a NaN, which is no JSON to msgspec


def from_bodies(bodies: list[bytes]) -> Sequence[Row] | None:
    """Decodes many records at once, each given as its text from the field `kind` on, without the brace before it.
    Returns None if any is a sweep's head or is not valid: `from_text` decodes it or says why."""
    try:
        rows = _MANY(b"[{" + b",{".join(bodies) + b"]")
    except (ValueError, RecursionError):
        return None
    return rows if len(rows) == len(bodies) else None


def is_json(text: bytes) -> bool:
    """Returns whether a text is valid JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_slowly(line: bytes | str) -> Row:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise MisfitError("it is no JSON") from None
    if not isinstance(record, dict):
        raise MisfitError("it is no record, which is a JSON object")
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in _BY_KIND:
        raise MisfitError(f"there is no record of kind {kind!r:.40}; kinds: {', '.join(_BY_KIND)}")
    return _BY_KIND[kind].from_record(record)
