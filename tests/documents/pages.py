"""The documents as the tests read them: their pages, code blocks and commands."""

import re
import shlex

from tests import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("search", "data", "trainables")


def text_of(path):
    return path.read_text(encoding="utf-8")


def blocks_of(text):
    """The code blocks of a page, without their fences."""
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose_of(text):
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def commands_of(text):
    """(package, words) of each `python -m PACKAGE VERB ...` in code blocks and code spans of a page."""
    lines = []
    for block in blocks_of(text):
        lines += block.replace("\\\n", " ").splitlines()
    lines += re.findall(r"`([^`]+)`", prose_of(text).replace("\n", " "))
    found = []
    for line in lines:
        words = re.match(rf"(?:\$ )?(?:\S*/)?python -m ({'|'.join(PACKAGES)}) (.+)", line.strip())
        if words:
            found.append((words[1], [word for word in shlex.split(words[2], comments=True) if word != "..."]))
    return found


def section_of(text, title):
    """The part of a page from a heading of the second level to the next one."""
    assert f"\n## {title}\n" in text, title
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows_of(text):
    """Cells of every row of the tables of a text, headings left out."""
    lines = text.splitlines()
    rows = [line for i, line in enumerate(lines) if line.startswith("|") and not _is_head(lines, i)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))] for row in rows]


def _is_head(lines, i):
    return lines[i].startswith("|--") or (i + 1 < len(lines) and lines[i + 1].startswith("|--"))
