"""Page layout of pictures: two square panels side by side with captions above and below; sizes, colours and font of
all.

Drawn with Pillow at twice the size and halved, which smooths the edges."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

PANEL = 480  # pixels of a side of either panel
STRIP = 32  # pixels above and below the panels, for words
SMOOTH = 2  # drawn larger by this, then reduced
MARGIN = 24  # pixels inside a panel
TALL = 15  # pixels of the font

PAPER, FRAME, GROUND, WORDS, WARNING = "#ffffff", "#f3f4f6", "#c8cdd5", "#30343b", "#c02020"
LEFT, RIGHT, MIDDLE = PENS = "#1f6fd6", "#e0662a", "#4a5058"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.cache
def small_font() -> Font:
    """Returns the font of all captions, for pictures SMOOTH times as large."""
    return ImageFont.load_default(TALL * SMOOTH)


def blank_panel() -> Image.Image:
    """Returns an empty panel, SMOOTH times as large."""
    return Image.new("RGB", (PANEL * SMOOTH, PANEL * SMOOTH), PAPER)


class Sheet:
    """Two panels under construction, SMOOTH times their final size."""

    def __init__(self, left: Image.Image, right: Image.Image) -> None:
        self._sheet = Image.new("RGB", (2 * PANEL * SMOOTH, (PANEL + 2 * STRIP) * SMOOTH), PAPER)
        self._sheet.paste(left, (0, STRIP * SMOOTH))
        self._sheet.paste(right, (PANEL * SMOOTH, STRIP * SMOOTH))

    def say(
        self,
        text: str,
        panel: int,
        strip: Literal["above", "below"],
        colour: str = WORDS,
        *,
        indent: int = 0,
        at_end: bool = False,
    ) -> None:
        """Writes a caption above or below a panel, 0 or 1: from its left margin and `indent` pixels on, or
        right-aligned."""
        middle = STRIP * SMOOTH // 2
        y = middle if strip == "above" else self._sheet.height - middle
        x = (panel + 1) * PANEL - MARGIN if at_end else panel * PANEL + MARGIN + indent
        ImageDraw.Draw(self._sheet).text((x * SMOOTH, y), text, colour, small_font(), "rm" if at_end else "lm")

    def picture(self) -> Image.Image:
        """Returns the picture, 2 PANEL wide."""
        return self._sheet.reduce(SMOOTH)


def drawn_colours() -> NDArray[np.uint8]:
    """Returns a palette [256, 3] of drawings on plain backgrounds: every pen on every background, and the shades that
    smooth edges need between.

    A general palette would have to be dithered, which is ugly on plain ground and does not compress."""
    rgb = {name: np.array(ImageColor.getrgb(name)[:3]) for name in (PAPER, FRAME, GROUND, WORDS, WARNING, *PENS)}
    pairs = [(pen, paper) for pen in (*PENS, WORDS, WARNING, GROUND) for paper in (PAPER, FRAME)]
    pairs += [(PENS[0], PENS[1]), (PENS[0], PENS[2]), (PENS[1], PENS[2]), *((pen, GROUND) for pen in PENS)]
    shades = [rgb[pen] * share + rgb[paper] * (1 - share) for pen, paper in pairs for share in np.linspace(0, 1, 12)]
    kept = list(rgb.values())
    for shade in shades:
        # Pillow looks colours up in cells of 4 levels: of two shades in one cell the wrong one could be taken.
        if min(np.abs(shade - other).max() for other in kept) > 8:
            kept.append(shade)
    assert len(kept) <= 256, len(kept)
    return np.round([*kept, *kept[:1] * (256 - len(kept))]).astype(np.uint8)


def tiled(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    """Arranges pictures of one size row by row in so many columns."""
    width, height = pictures[0].size
    columns = min(columns, len(pictures))
    whole = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height), PAPER)
    for at, picture in enumerate(pictures):
        whole.paste(picture, (at % columns * width, at // columns * height))
    return whole
