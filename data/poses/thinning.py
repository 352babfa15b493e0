"""Temporal subsampling of training tracks: every n-th frame, or a contiguous share of them (VideoPose3D)."""

from __future__ import annotations

import hashlib


def thinned(length: int, downsample: int, subset: float) -> slice:
    """Returns the frames kept of a track: every downsample-th frame of a stretch that holds the share `subset` of it.

    VideoPose3D's rule: the length of the stretch is a multiple of downsample, and its start depends only on the track's
    length; a short track can lose all frames. subset 1 takes the whole track, whatever its length."""
    assert downsample >= 1, downsample
    assert 0 < subset <= 1, subset
    if subset == 1:
        return slice(0, length, downsample)
    stretch = round(length // downsample * subset) * downsample
    start = deterministic_random(0, length - stretch + 1, str(length))
    return slice(start, start + stretch, downsample)


def deterministic_random(low: int, high: int, text: str) -> int:
    """Returns an integer in [low, high) that depends on `text` only: the first four bytes of its SHA-256 as a
    fraction."""
    fraction = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") / (2**32 - 1)
    return low + int(fraction * (high - low))
