"""Photos and clips that people give: their frames, upright, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..errors import DataError
from ..images.clips import Clip, open_clip
from .photos import opened

FILMS = ("GIF", "PNG")  # kinds of image that may move
WEBP = "WEBP"  # which may, too, but FFmpeg reads no moving ones
# Marks of HEIC photos of iPhones, whose tiles FFmpeg would take for a clip each.
HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx")


@dataclass(frozen=True, slots=True)
class Footage:
    """A photo, or a clip where `clip` is given."""

    path: Path
    clip: Clip | None

    @property
    def fps(self) -> float | None:
        """The rate that a clip states; None of a photo."""
        return self.clip.fps if self.clip is not None else None

    def frames(self) -> Iterator[tuple[Image.Image, float | None]]:
        """Yields every frame in RGB, upright, with its time in seconds where the clip tells it; DataError where one
        cannot be decoded."""
        if self.clip is None:
            yield opened(self.path), None
            return
        for frame in self.clip.frames():
            yield Image.fromarray(frame.pixels), frame.seconds


def open_footage(path: Path) -> Footage:
    """Recognises a photo or a clip by its content; DataError when it is neither."""
    if _is_photo(path):
        return Footage(path, None)
    with path.open("rb") as file:
        if file.read(12)[4:] in [b"ftyp" + mark for mark in HEIC]:
            raise DataError(str(path), ["is a photo as HEIC, which is not read; save it as JPEG"])
    return Footage(path, open_clip(path))


class Frames:
    """Frames of a photo or a clip by their number, for who asks for rising ones: it is decoded as it is asked for."""

    def __init__(self, footage: Footage) -> None:
        self._footage = footage
        self._rest = footage.frames()
        self._at = -1
        self._last: Image.Image | None = None

    def __call__(self, at: int) -> Image.Image | None:
        """Returns frame `at`, None beyond the end; one before the last asked for starts the clip anew."""
        if at < self._at:
            self._rest, self._at = self._footage.frames(), -1
        while self._at < at:
            self._last, _ = next(self._rest, (None, None))
            self._at += 1
        return self._last


def _is_photo(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            kind, is_still = image.format, getattr(image, "n_frames", 1) == 1
    except UnidentifiedImageError:
        return False
    except FileNotFoundError:
        raise DataError(str(path), ["there is no such file"]) from None
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
    # Pillow raises these on a head that begins as an image; `opened` says what is wrong.
    except (SyntaxError, ValueError, Image.DecompressionBombError):
        return True
    if kind == WEBP and not is_still:
        raise DataError(str(path), ["is a moving WebP, which is not read; save it as GIF or MP4"])
    return is_still or kind not in FILMS
