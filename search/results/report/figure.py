"""Figures of a page, each drawn by a function that may refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spaces.errors import InputError

from ...figures.embedding import figure_json, title_of
from .elements import Markup, element, joined

HEIGHT_PX = 420


class Figures:
    """Figures of one page. `count`: how many there are; `sweep`: name of the sweep of all of them, '' for several."""

    def __init__(self, sweep: str = "") -> None:
        self.count = 0
        self._sweep = sweep

    def of(self, name: str, draw: Callable[[], Any], note: str = "", least_px: int = 0) -> Markup:
        """Builds the place of the figure that `draw` makes, below its title and a `note` on how to read it; where
        that refuses (InputError), the `name` of the figure and the reason. `least_px`: width below which it scrolls."""
        try:
            figure = draw()
        except InputError as error:
            return element("p", f"{name}: not drawn; {'; '.join(error.problems)}.", class_="note")
        # The page is about one sweep, so that figures need not say which.
        title = title_of(figure).removeprefix(f"{self._sweep}: ")
        self.count += 1
        identity = f"figure-{self.count}"
        style = f"height:{figure.layout.height or HEIGHT_PX}px"
        if least_px:
            style += f";min-width:{least_px}px"
        parts = [
            element("h3", f"{title[:1].upper()}{title[1:]}" if title.split(" ")[0].rstrip(":").isalpha() else title),
            element("p", note, class_="note") if note else None,
            element("div", element("div", data_figure=identity, style=style), class_="figure"),
            element("script", Markup(figure_json(figure)), type="application/json", id=identity),
        ]
        return element("div", joined(parts))
