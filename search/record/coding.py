"""Records as text: each is encoded as one line of JSON, decoded, and checked on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from .records import KINDS, MisfitError, Row, SweepRow

_BY_KIND = {kind.kind: kind for kind in KINDS}
# The head has rules of its own.
_DECODED = [kind for kind in KINDS if kind is not SweepRow]
_DECODERS = {kind.kind.encode(): msgspec.json.Decoder(kind).decode for kind in _DECODED}
_MANY = {kind.kind.encode(): msgspec.json.Decoder(list[kind]).decode for kind in _DECODED}  # type: ignore[valid-type]
_KIND = b'"kind": "'
_KIND_LENGTH = len(_KIND)


def to_text(row: Row) -> str:
    """Encodes a record as one line of JSON, without newline or checksum."""
    return json.dumps(row.to_record())


def from_text(text: bytes | str) -> Row:
    """Decodes a record of any kind, the inverse of `to_text`; a leading checksum field is ignored. MisfitError if the
    text is no valid record."""
    line = text if isinstance(text, bytes) else text.encode()
    start = line.find(_KIND) + _KIND_LENGTH
    try:
        return _DECODERS[line[start : line.find(b'"', start)]](line)
    except (KeyError, ValueError, RecursionError):
        return _read_slowly(line)  # it is damaged, or has a NaN, which is no JSON to msgspec


def from_bodies(bodies: list[bytes]) -> list[Row] | None:
    """Decodes many records, each given as its text from the field `kind` on, without the brace before it: all of a kind
    in one call, which takes half the time. Returns None if any is a sweep's head or is not valid: `from_text` decodes
    it or says why."""
    kinds = [body[_KIND_LENGTH : body.find(b'"', _KIND_LENGTH)] for body in bodies]
    groups: dict[bytes, list[bytes]] = {}
    for kind, body in zip(kinds, bodies, strict=True):
        groups.setdefault(kind, []).append(body)
    read: dict[bytes, Iterator[Row]] = {}
    for kind, group in groups.items():
        try:
            rows = _MANY[kind](b"[{" + b",{".join(group) + b"]")
        except (KeyError, ValueError, RecursionError):
            return None
        if len(rows) != len(group):
            return None
        read[kind] = iter(rows)
    return [next(read[kind]) for kind in kinds]


def is_json(text: bytes) -> bool:
    """Returns whether a text is valid JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_slowly(line: bytes) -> Row:
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
