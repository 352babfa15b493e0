"""Parser of JSON that others wrote, whatever its depth and numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..errors import DataError

# Whole numbers of more digits are beyond the range of floats, into which numpy and torch put them.
_MOST_DIGITS = 300
_LONG = re.compile(rf"\d{{{_MOST_DIGITS + 1}}}")
_LONG_BYTES = re.compile(_LONG.pattern.encode())


def parse_json(content: bytes | str) -> Any:
    """Parses JSON; a whole number beyond the range of floats becomes an infinite one, which whoever reads it finds.
    ValueError says why it is none, or that it is nested too deeply."""
    has_long = _LONG.search(content) if isinstance(content, str) else _LONG_BYTES.search(content)
    try:
        return json.loads(content, parse_int=_number if has_long else None)
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None


def _number(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def read_json(path: Path, otherwise: str) -> Any:
    """Parses a JSON file; DataError says what it is `otherwise`, and why it is no JSON."""
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
    except ValueError as error:
        raise DataError(str(path), [f"{otherwise} ({error})"]) from None
