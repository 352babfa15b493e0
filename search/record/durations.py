"""Durations as users type and read them."""

from __future__ import annotations

import re

from spaces.errors import shown


def read_duration(text: str) -> float:
    """Parses a duration to seconds: '90s', '20m', '2h', '1h30m', or a plain number of seconds. ValueError for any other
    text."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return _finite(float(text), text)
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text)
    if not text or parts is None:
        raise ValueError(f"'{shown(text)}' is no duration; write 90s, 20m, 2h or 1h30m")
    seconds = sum(float(part or 0) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True))
    return _finite(seconds, text)


def _finite(seconds: float, text: str) -> float:
    if seconds == float("inf"):
        raise ValueError(f"'{shown(text)}' is too long; leave it out for no limit")
    return seconds


def duration_text(seconds: float) -> str:
    """Formats seconds as `read_duration` parses them: '1h30m', '100s', '0.5s'."""
    whole = int(seconds)
    if whole != seconds or whole < 120:
        return f"{seconds:g}s"
    parts = ((whole // 3600, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def rough_text(seconds: float) -> str:
    """Formats a duration of which nobody knows the seconds: '45s', '12m', '2h10m'."""
    unit = 1 if seconds < 100 else 60
    return duration_text(max(1, round(seconds / unit)) * unit)


def clock_text(seconds: float) -> str:
    """Formats a duration as a clock shows it: '0:07', '12:34', '1:12:34'."""
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"
