"""Elements of an HTML page. Every text in them is escaped, unless it is markup already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from spaces.console import visible

HERE = Path(__file__).parent
# Nothing is loaded from anywhere, whatever a text on the page may hold. plotly.js compiles its parallel coordinates.
POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
LONGEST = 20_000  # characters of a text, of which longer ones lose the middle


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *parts: object, **attributes: object) -> Markup:
    """Builds an element with parts, of which only Markup is taken as it is, and attributes, of which None is left out;
    `class_` is `class`, `data_x` is `data-x`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{joined(parts)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """Joins parts of a page; None is left out."""
    return Markup("".join(one if isinstance(one, Markup) else escaped(one) for one in parts if one is not None))


def escaped(value: object) -> Markup:
    """Escapes a text for a page, control characters but newlines and tabs too; LONGEST at most."""
    text = str(value)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}\n... ({len(text) - LONGEST} characters left out) ...\n{text[-LONGEST // 2 :]}"
    lines = ("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))
    return Markup(escape("\n".join(lines)))


def number_text(value: float | None, digits: int = 2) -> str:
    """Formats a number for a table: '' for None, whole ones as they are, small ones with three digits."""
    if value is None or not math.isfinite(value):
        return "" if value is None else str(value)
    if value == round(value) and abs(value) < 1e9:
        return f"{value:.0f}"
    return f"{value:.{digits}f}" if abs(value) >= 1 else f"{value:.3g}"


def table(header: Sequence[object], rows: Iterable[Sequence[object]], *, sorts: bool = False) -> Markup:
    """Builds a table that scrolls by itself where it is wider than the page. `sorts`: a click on a column sorts."""
    cell = "button" if sorts else "span"
    heads = (element("th", element(cell, one, type="button" if sorts else None), scope="col") for one in header)
    body = (element("tr", *(element("td", one) for one in row)) for row in rows)
    inner = element("table", element("thead", element("tr", *heads)), element("tbody", *body))
    return element("div", inner, class_="table sorts" if sorts else "table")


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Builds a list of names and values; those without a value are left out."""
    rows = (joined((element("dt", name), element("dd", value))) for name, value in pairs if value not in ("", None))
    return element("dl", *rows)


def command_line(line: str, note: object = "") -> Markup:
    """Builds a command to copy, below a note on it."""
    return joined([element("p", note, class_="note") if note else None, element("pre", element("code", line))])


def section(title: str, *parts: object) -> Markup:
    """Builds a section of the page with a heading, to which the contents of the page lead."""
    return element("section", element("h2", title), *parts, id=anchor(title))


def anchor(title: str) -> str:
    """Returns the name by which a section is found within the page."""
    return "".join(one if one.isalnum() else "-" for one in title.lower())


def page(title: str, sections: Sequence[tuple[str, Markup]], head: Markup, foot: str, library: str) -> str:
    """Builds the page. `sections`: titles and sections in order; `head`: what stands above them, `foot`: below;
    `library`: source of the script that draws the figures, '' if there are none."""
    links = (element("a", name, href=f"#{anchor(name)}") for name, _ in sections)
    body = joined(
        [head, element("nav", *links), element("main", *(one for _, one in sections)), element("footer", foot)]
    )
    css = (HERE / "page.css").read_text(encoding="utf-8")
    script = "".join((HERE / name).read_text(encoding="utf-8") for name in ("page.js", "skeletons.js"))
    # The library comes last, so that texts and tables are there while it is read.
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escaped(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>",
            body,
            *([f"<script>{library}</script>"] if library else []),
            f"<script>\n{script}</script>\n</body>\n</html>\n",
        ]
    )
