"""Film encoding: pictures one by one into GIF or MP4, or the first of them as PNG; memory does not grow with the film's
length."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_FPS = 25.0  # of a film; what is faster is thinned


def step_of(fps: float) -> int:
    """Returns the frame step of a film: every so-many-th frame is shown."""
    return max(1, math.ceil(fps / MOST_FPS))


def length_of(frames: int, fps: float) -> str:
    """Describes length and frame rate of the film of so many frames."""
    every = step_of(fps)
    if frames == 1:
        return "1 frame"
    thinned = f", one in {every}" if every > 1 else ""
    return f"{-(-frames // every)} frames{thinned}, {fps / every:g} a second"


def write_film(
    pictures: Iterable[Image.Image],
    fps: float,
    file: BinaryIO,
    suffix: str,
    *,
    every: int = 1,
    colours: NDArray[np.uint8] | None = None,
) -> None:
    """Writes pictures of one size, even in height and width, in the format that the suffix names: .gif, .mp4, or .png.

    They are each `every`-th frame of `fps` a second. `colours` [256, 3]: fixed palette of a GIF of drawings; None: each
    picture gets its own best palette, as a photo needs, and is dithered."""
    rest = iter(pictures)
    first = next(rest)
    if suffix == ".png":
        first.save(file, "png")
        return
    with av.open(file, "w", format=suffix.removeprefix(".")) as container:
        if suffix == ".mp4":
            rate = Fraction(fps / every).limit_denominator(1001)
            stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
            stream.pix_fmt, clock = "yuv420p", 1 / rate
        else:
            # A GIF counts hundredths of a second: each frame's own time is rounded, so that errors do not add up.
            stream, clock = container.add_stream("gif", rate=100), Fraction(1, 100)
            stream.pix_fmt = "pal8"
        (stream.width, stream.height), stream.thread_count = first.size, 1
        stream.codec_context.time_base = clock
        for at, picture in enumerate(chain((first,), rest)):
            frame = av.VideoFrame.from_image(picture) if suffix == ".mp4" else _few_colours(picture, colours)
            seconds = at * every / fps
            frame.pts, frame.time_base = at if suffix == ".mp4" else round(seconds * 100), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _few_colours(picture: Image.Image, colours: NDArray[np.uint8] | None) -> av.VideoFrame:
    palette = Image.new("P", (1, 1))
    if colours is None:
        own = picture.quantize(256, Image.Quantize.MEDIANCUT).getpalette() or []
        colours = np.array(own + [0] * (768 - len(own)), np.uint8).reshape(256, 3)
        dither = Image.Dither.FLOYDSTEINBERG
    else:
        dither = Image.Dither.NONE
    palette.putpalette(colours.tobytes())
    pixels = np.asarray(picture.quantize(palette=palette, dither=dither))
    # Alpha comes first; without it FFmpeg would write an animation of nothing.
    opaque = np.concatenate((np.full((256, 1), 255, np.uint8), colours), 1)
    indexed: Any = (pixels, opaque)  # the one format that takes two arrays; its annotation forgets it
    return av.VideoFrame.from_ndarray(indexed, format="pal8")
