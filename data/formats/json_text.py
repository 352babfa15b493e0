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
    """Parses JSON; ValueError says why it is none, or that it is nested too deeply, or holds too long a number."""
    if _LONG.search(content) if isinstance(content, str) else _LONG_BYTES.search(content):
        raise ValueError(f"a number in it has more than {_MOST_DIGITS} digits")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None


def read_json(path: Path, otherwise: str) -> Any:
    """Parses a JSON file; DataError says what it is `otherwise`, and why it is no JSON."""
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
    except ValueError as error:
        raise DataError(str(path), [f"{otherwise} ({error})"]) from None
