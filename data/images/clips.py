"""Clips: their frames one after the other, upright. Every reader of a film's pixels takes them from here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from ..errors import DataError

Pixels = NDArray[np.uint8]
SAME_RATE = 0.01  # share by which a usual rate may differ from the mean of a clip that has it


class ClipFrame(NamedTuple):
    """One frame: pixels [Y, X, 3], RGB, upright; seconds since the start of the clip, None where it does not tell."""

    pixels: Pixels
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Clip:
    """A film file; fps: mean rate that it states; seconds: length of its pictures that it states; None where it states
    none."""

    path: Path
    fps: float | None
    seconds: float | None

    def frames(self) -> Iterator[ClipFrame]:
        """Decodes the frames one by one; DataError where the file is damaged, or has none."""
        count, turn, matrix = 0, None, None
        try:
            with av.open(self.path) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                for frame in container.decode(stream):
                    # Who asks a frame for what lies beside its pixels makes a cycle of both, and thousands of frames
                    # would wait for the garbage collection: the matrix is asked for only where the angle changes.
                    if frame.rotation != turn:
                        turn, matrix = frame.rotation, display_matrix(frame)
                    pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    yield ClipFrame(pixels if matrix is None else turned(pixels, matrix), frame.time)
                    count += 1
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DataError(str(self.path), [f"frame {count} cannot be decoded ({_reason(error)})"]) from None
        if not count:
            raise DataError(str(self.path), ["has no frames"])


def open_clip(path: Path) -> Clip:
    """Reads the head of a film file; DataError when it is none, or has sound alone."""
    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise DataError(str(path), ["has no pictures, only sound or text"])
            stream = container.streams.video[0]
            rate, near = stream.average_rate, stream.guessed_rate
            # The mean of a clip of a phone is a little off the rate that its camera runs at.
            if rate and near and abs(near / rate - 1) < SAME_RATE:
                rate = near
            seconds = _seconds(container)
    except (av.FFmpegError, OSError) as error:
        raise DataError(str(path), [f"is neither a photo nor a clip that can be read ({_reason(error)})"]) from None
    return Clip(path, float(rate) if rate else None, seconds)


def _seconds(container: InputContainer) -> float | None:
    """Returns the length of the pictures that a file states; None where it states none, or one of sound beside them."""
    stream = container.streams.video[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    is_alone = len(container.streams) == 1
    return container.duration / av.time_base if is_alone and container.duration else None


def display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """Returns the display matrix [3, 3] of a decoded frame, None where it is shown as it is stored.

    A phone stores clips as they came off its sensor; players turn them, and so does OpenCV, but not PyAV."""
    beside: Any = frame.side_data  # found by their kind, which its annotation forgets
    matrix = beside.get(Type.DISPLAYMATRIX)
    return None if matrix is None else np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)


def turned(pixels: Pixels, matrix: NDArray[np.int32]) -> Pixels:
    """Applies a display matrix [3, 3] of FFmpeg to an image [Y, X, 3], to the nearest quarter turn.

    A pixel (x, y) is shown at x' = a x + c y, y' = b x + d y, with (a, b), (c, d) the first two of the first two rows;
    the shift that brings the picture back to the origin follows from them."""
    (a, b), (c, d) = matrix[:2, :2].tolist()
    if abs(b) > abs(a):
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
