"""Parser of JSON that others wrote, whatever its depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DataError


def parse_json(content: bytes | str) -> Any:
    """Parses JSON; ValueError says why it is none, or that it is nested too deeply."""
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
