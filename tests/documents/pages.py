"""The documents as the tests read them: their pages, code blocks and commands."""

import re
import shlex

from tests import ROOT
from trainables import registry

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("search", "data", "trainables")
DOCUMENTED = [model for model in registry.names() if (ROOT / "docs" / "models" / f"{model}.md").exists()]


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


def lacks_of(model):
    """What the documents want of a model besides its folder, its space and the contract."""
    if model not in DOCUMENTED:
        yield f"write docs/models/{model}.md, with the sections of docs/models/graformer.md"
    if f"(docs/models/{model}.md)" not in section_of(text_of(README), "Models"):
        yield "add a row with a link to that page to the models of README.md"
    if f"\n## {model}\n" not in text_of(ROOT / "docs" / "reference" / "knobs.md"):
        yield "run: make docs"
