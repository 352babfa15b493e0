"""Random access to text tables: a .tsv file, and a .lineidx file with the byte offset of each row."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from spaces.files import replacing

from ...errors import DataError

REWRITE = "write it again: one line a row, the byte at which the row begins"


class Table:
    """Rows of a .tsv file by number, from a memory map: opening reads the index and no row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts = read_index(index_of(path))
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                self._bytes: mmap.mmap | bytes = (
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
                )  # an empty file cannot be mapped
        except OSError as error:
            raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
        problem = _misfit(self._starts, size)
        if problem:
            raise DataError(str(index_of(path)), [f"does not fit {path.name}: {problem}; {REWRITE}"])
        self._ends = np.append(self._starts[1:], size)

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def size(self) -> int:
        """Returns the bytes of the file."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def row(self, number: int) -> list[bytes]:
        """Returns the columns of a row. DataError when it does not begin and end where the index says."""
        start, end = int(self._starts[number]), int(self._ends[number])
        text = self._bytes[start:end]
        begins = start == 0 or self._bytes[start - 1 : start] == b"\n"
        if not begins or b"\n" in text[:-1] or not (text.endswith(b"\n") or end == self.size):
            found = f"row {number} does not begin at byte {start} and end at {end}"
            raise DataError(str(index_of(self.path)), [f"does not fit {self.path.name}: {found}; {REWRITE}"])
        return text.rstrip(b"\r\n").split(b"\t")


def index_of(path: Path) -> Path:
    """Returns the path of the index beside a table."""
    return path.with_suffix(".lineidx")


def read_index(path: Path) -> NDArray[np.int64]:
    """Reads the byte offsets [n] at which rows begin."""
    return read_numbers(path, f"{REWRITE}; a .tsv without it cannot be used")


def read_numbers(path: Path, remedy: str) -> NDArray[np.int64]:
    """Reads the whole numbers of a text file, in order."""
    try:
        return np.array(list(map(int, path.read_bytes().split())), np.int64)
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}; {remedy}"]) from None
    except (ValueError, OverflowError) as error:
        raise DataError(str(path), [f"holds other things than whole numbers ({error}); {remedy}"]) from None


def _misfit(starts: NDArray[np.int64], size: int) -> str:
    """Returns why offsets cannot be the row starts of a file of this size; '' when they can."""
    if not len(starts):
        return "" if size == 0 else f"it has no line, the table {size} bytes"
    if starts[0] != 0:
        return f"its first line is {starts[0]}, not 0"
    if (np.diff(starts) <= 0).any():
        row = int((np.diff(starts) <= 0).argmax()) + 1
        return f"row {row} begins at byte {starts[row]}, the one before at {starts[row - 1]}"
    return f"row {len(starts) - 1} begins at byte {starts[-1]} of {size}" if starts[-1] >= size else ""


class Writer:
    """Writer of a table and its index, until the block of `writing` ends."""

    def __init__(self, rows: BinaryIO, index: BinaryIO) -> None:
        self._rows, self._index, self._at = rows, index, 0

    def add(self, columns: Iterable[bytes]) -> None:
        """Appends a row."""
        line = b"\t".join(columns) + b"\n"
        self._rows.write(line)
        self._index.write(b"%d\n" % self._at)
        self._at += len(line)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Opens a table with its index for writing; both appear when the block ends well, the index first: a table without
    its index cannot be opened, and an old index never fits a new table by chance."""
    with ExitStack() as files:
        rows = files.enter_context(replacing(path))
        index = files.enter_context(replacing(index_of(path)))
        yield Writer(rows, index)
