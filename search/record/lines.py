"""Encoding of a journal: one JSON object per line, each prefixed with a running CRC-32 of all records up to it.

    {"crc": "1f0c93aa", "kind": "end", "ts_ms": 1790000000000, "trial": 3, ...}

`crc`, eight hex digits, covers what follows it in this line and the same part of every line before, newlines included;
so a line that was changed, lost or moved is detected at the next line at the latest. Journals of an earlier version
have lines without a checksum, which begin with `{"kind"`; the first line with a checksum covers these entirely, and
every later line must have one. A torn last line, as a killed process leaves it, is ignored; one that lacks only its
newline counts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from data.errors import DataError

from .coding import from_bodies, from_text, is_json, to_text
from .records import MisfitError, Row

SEALED = b'{"crc": "'
PLAIN = b'{"kind"'
_BODY = len(SEALED) + len(b'12345678", ')
_BLOCK = 1 << 12  # bytes, read at a time to find the line before
_MOST_READ = 1 << 16  # bytes of lines, decoded at once
_MOMENT = attrgetter("ts_ms")
_REMEDY = "restore it from a backup, or cut it off above that line and resume"


class Chain:
    """Running checksum of a journal: `crc`, the CRC-32 up to now, and `is_sealed`, whether any line had a checksum."""

    def __init__(self, crc: int = 0, *, is_sealed: bool = False) -> None:
        self.crc = crc
        self.is_sealed = is_sealed

    def line_of(self, row: Row) -> bytes:
        """Encodes a record as the next line, with its checksum. The chain does not advance: pass the line to
        `advance` once it is on disk."""
        body = to_text(row).encode()[1:] + b"\n"
        return _seal(crc32(body, self.crc)) + body

    def advance(self, line: bytes) -> None:
        """Advances the chain over a line of `line_of`."""
        self.crc, self.is_sealed = crc32(line[_BODY:], self.crc), True

    def take(self, line: bytes) -> Row | None:
        """Decodes the next line, verifies its checksum and advances the chain. Returns the record, or None for a torn
        line; MisfitError if the line is damaged."""
        is_torn = line[-1:] != b"\n"
        whole = line + b"\n" if is_torn else line
        if line.startswith(SEALED):
            crc = crc32(whole[_BODY:], self.crc)
            fault = "" if line[:_BODY] == _seal(crc) else "it or a line above was changed or lost"
        else:
            crc = crc32(whole, self.crc)
            is_known = line.startswith(PLAIN) and not self.is_sealed
            fault = "" if is_known else "it has no checksum"
        try:
            if fault:
                raise MisfitError(fault)
            row = from_text(line)
            if row.ts_ms <= 0:
                raise MisfitError("the field ts_ms is missing")
        except MisfitError:
            # A file of one line without an end may be somebody else's, which is no torn line.
            if is_torn and (self.crc or not is_json(line)):
                return None
            raise
        self.crc, self.is_sealed = crc, line.startswith(SEALED)
        return row

    def take_all(self, lines: list[bytes]) -> tuple[Sequence[Row], str]:
        """Decodes the next lines, verifies their checksums and advances the chain. Returns the records up to the first
        damaged or torn line, and what is wrong with that one: '' if it is torn, or there is none."""
        if (at_once := self._take_at_once(lines)) is not None:
            return at_once, ""
        rows: list[Row] = []
        for line in lines:
            try:
                row = self.take(line)
            except MisfitError as error:
                return rows, str(error)
            if row is None:
                break
            rows.append(row)
        return rows, ""

    def _take_at_once(self, lines: list[bytes]) -> Sequence[Row] | None:
        """Decodes the next lines in a third of the time of one after the other. Returns None, without advancing the
        chain, if any is not as usual: damaged, torn, without a checksum, a sweep's head, or with a NaN."""
        bodies = [line[_BODY:] for line in lines]
        # It covers all bodies, and so finds the one that has moved because its line's beginning is too short or long.
        crc = crc32(b"".join(bodies), self.crc)
        if lines[-1][:_BODY] != _seal(crc) or not bodies[-1].endswith(b"\n"):
            return None
        rows = from_bodies(bodies)
        if rows is None or min(map(_MOMENT, rows)) <= 0:
            return None
        self.crc, self.is_sealed = crc, True
        return rows


def _seal(crc: int) -> bytes:
    """Encodes a checksum as the beginning of its line."""
    return SEALED + b'%08x", ' % crc


def read_rows(path: Path, offset: int = 0) -> Iterator[tuple[Row, int]]:
    """Iterates over the records from byte `offset` on, where a line must begin, with the length of each in bytes. Reads
    no more than is consumed. Skips a torn last line; yields nothing if there is no file. DataError names a damaged line
    or an unreadable file."""
    for rows, sizes in read_batches(path, offset):
        yield from zip(rows, sizes, strict=True)


def read_batches(path: Path, offset: int = 0) -> Iterator[tuple[Sequence[Row], list[int]]]:
    """Iterates as `read_rows`, over the records of one read at a time: first of a line, then of more and more."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) <= offset:
                return
            chain = _chain_before(file, offset)
            file.seek(offset)
            # The end of the line before, where that was read when it had none yet.
            skipped = 1 if offset and file.read(1) == b"\n" else 0
            file.seek(offset + skipped)
            size = 1  # at first a line: who wants the head reads no more
            while lines := file.readlines(size):
                size = min(2 * size + _BLOCK, _MOST_READ)
                sizes = [*map(len, lines)]
                sizes[0] += skipped
                rows, fault = chain.take_all(lines)
                yield rows, sizes[: len(rows)]
                if fault:
                    raise damaged(path, offset + (sum(sizes[: len(rows)]) or skipped), fault)
                if len(rows) < len(lines):
                    return
                offset += sum(sizes)
                skipped = 0
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None


def damaged(path: Path, offset: int, problem: str) -> DataError:
    """Builds the DataError for a damaged line: `offset`, the byte at which it begins; `problem`, what is wrong with
    it."""
    with path.open("rb") as file:
        number = 1 + file.read(offset).count(b"\n")
    return DataError(str(path), [f"is damaged at line {number}: {problem}; {_REMEDY}"])


def last_line(path: Path) -> tuple[bytes, int]:
    """Reads the last line, torn or not, and the byte offset at which it begins; (b"", 0) for an empty file."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        return _line_before(file, end) if end else (b"", 0)


def line_before(path: Path, end: int) -> tuple[bytes, int]:
    """Reads the line that ends at byte `end`, and the byte offset at which it begins; (b"", 0) for 0."""
    with path.open("rb") as file:
        return _line_before(file, end) if end else (b"", 0)


def chain_at(path: Path, offset: int) -> Chain:
    """Computes the running checksum of a journal up to byte `offset`, where a line must end."""
    with path.open("rb") as file:
        return _chain_before(file, offset)


def _chain_before(file: BinaryIO, offset: int) -> Chain:
    """Computes the running checksum up to byte `offset`: reads it from the line before, or computes it over all lines
    before if that one has no checksum."""
    if not offset:
        return Chain()
    line, _ = _line_before(file, offset)
    if line.startswith(SEALED):
        try:
            return Chain(int(line[len(SEALED) : len(SEALED) + 8], 16), is_sealed=True)
        except ValueError:
            return Chain(is_sealed=True)  # it fits to nothing
    file.seek(0)
    before = file.read(offset)
    return Chain(crc32(before if before.endswith(b"\n") else before + b"\n"))


def _line_before(file: BinaryIO, end: int) -> tuple[bytes, int]:
    """Reads the line that ends at byte `end`; returns it with the byte offset at which it begins."""
    text, start = b"", end
    while start > 0:
        step = min(_BLOCK, start)
        start -= step
        file.seek(start)
        text = file.read(step) + text
        # The line's own end is not the one before it.
        if (at := text.rfind(b"\n", 0, len(text) - 1)) >= 0:
            return text[at + 1 :], start + at + 1
    return text, 0
