"""The documents against what they describe: reference pages, commands, links, recipes, pictures."""

import dataclasses
import re
import shlex

import pytest

from docs import generate
from spaces.space import find_space, read_space
from tests.documents.pages import (
    DOCUMENTED,
    PACKAGES,
    PAGES,
    ROOT,
    commands_of,
    lacks_of,
    prose_of,
    rows_of,
    section_of,
    text_of,
)
from tests.made.sources import ROOMS
from trainables import registry
from trainables.config import knobs_of

DOCS = ROOT / "docs"
PICTURE_BYTES = 150_000
COMMANDS = [
    pytest.param(path, package, words, id=f"{path.stem}-{shlex.join([package, *words])[:60]}")
    for path in PAGES
    for package, words in commands_of(text_of(path))
]


def by_name(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


# --- reference pages


@pytest.mark.parametrize("name", generate.pages())
def test_a_reference_page_is_what_the_code_gives(name):
    path = DOCS / name
    assert path.exists(), f"run: make docs   (docs/{name} is missing)"
    assert path.read_bytes().decode() == generate.pages()[name], f"run: make docs   (docs/{name} is out of date)"


def test_nothing_else_is_in_the_reference():
    assert {f"reference/{path.name}" for path in (DOCS / "reference").iterdir()} == set(generate.pages())


@pytest.mark.parametrize("model", DOCUMENTED)
def test_a_printed_default_reads_back(model):
    rows = {row[0].strip("`"): row[1].strip("`") for row in rows_of(text_of(DOCS / "reference" / "knobs.md"))}
    own = {row[0].strip("`"): row[1].strip("`") for row in rows_of(_knob_section(model))}
    for path, knob in knobs_of(model).items():
        if knob.default is dataclasses.MISSING:
            continue
        printed = own[path] if path.startswith(("network.", "objective.")) else rows[path]
        assert knob.read(printed) == knob.default, f"{path}: {printed}"


def _knob_section(model):
    return section_of(text_of(DOCS / "reference" / "knobs.md"), model)


def test_reference_pages_hold_nothing_of_this_machine():
    for name, text in generate.pages().items():
        assert str(ROOT) not in text, name
        assert text.isascii(), name


# --- commands


def test_commands_are_found():
    assert len(COMMANDS) > 60
    assert {package for _, package, _ in (one.values for one in COMMANDS)} == set(PACKAGES)


@pytest.mark.parametrize(("path", "package", "words"), COMMANDS)
def test_a_printed_command_is_understood(path, package, words, capsys):
    if len(words) == 1 and (words[0] == "VERB" or words[0] in generate.PACKAGES[package]):
        return  # it names a verb, or all of them, and is not meant to be typed
    try:
        options = generate.parser_of(package).parse_args(words)
    except SystemExit as end:
        options, code = None, end.code
    if options is None:
        assert code == 0, f"{path.name}: {capsys.readouterr().err}"  # --help
        return
    model = _model_of(options)
    for text in getattr(options, "changes", []):
        if text != "KNOB=VALUE":
            assert _is_setting(text, [model] if model else registry.names()), f"{path.name}: --set {text}"
    recipe = getattr(options, "recipe", None)
    if model and recipe and not recipe.isupper():
        assert recipe in read_space(find_space(model)).recipes, f"{path.name}: no recipe {recipe} of {model}"


def _model_of(options):
    """The model that a command names, '' where it names a placeholder or a file."""
    name = getattr(options, "space", None) or getattr(options, "model", None) or ""
    return name if name in registry.names() else ""


def _is_setting(text, models):
    """Whether a --set names a knob of one of the models and a value of it, or a placeholder in capitals."""
    name, _, value = text.partition("=")
    found = [known[name] for model in models if name in (known := knobs_of(model))]
    return any(value.isupper() or _reads(knob, value) for knob in found)


def _reads(knob, value):
    try:
        knob.read(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python -m search launch graformer --name a", ["launch", "graformer", "--name", "a"]),
        ("$ python -m search show a   # a remark", ["show", "a"]),
        (".venv/bin/python -m search ui", ["ui"]),
        ("python -m search train \\\n    a.yaml", ["train", "a.yaml"]),
    ],
)
def test_commands_are_read_as_a_shell_would(line, words):
    assert commands_of(f"```\n{line}\n```\n") == [("search", words)]


# --- links


def slug(heading):
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def anchors_of(path):
    return {slug(line.lstrip("#").strip()) for line in prose_of(text_of(path)).splitlines() if line.startswith("#")}


@by_name([*PAGES, ROOT / "CHANGELOG.md"])
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(text_of(path))):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), f"{path.name} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors_of(there), f"{path.name} links to {target}; anchors there: {anchors_of(there)}"


@by_name([path for path in PAGES if path.parent in (DOCS, DOCS / "models")])
def test_every_page_is_reached_from_the_readme(path):
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s:]+)", prose_of(text_of(page)))
        waiting += [(page.parent / link).resolve() for link in links]
    assert path.resolve() in reached


# --- pages


@by_name(PAGES)
def test_a_page_is_plain_text_with_a_title(path):
    text = text_of(path)
    assert text.isascii(), [char for char in text if not char.isascii()]
    assert text.startswith("# ")
    assert text.count("```") % 2 == 0, "a code block is not closed"


@by_name([path for path in PAGES if path.parent != ROOT])
def test_the_first_sentence_says_what_the_page_is_for(path):
    first = text_of(path).split("\n\n")[1]
    assert first.startswith("This page "), first


def test_every_model_is_documented():
    lacking = [f"{model}: {what}" for model in registry.names() for what in lacks_of(model)]
    assert not lacking, "\n".join(lacking)


@pytest.mark.parametrize("model", DOCUMENTED)
def test_the_page_of_a_model_has_its_recipes(model):
    text = text_of(DOCS / "models" / f"{model}.md")
    for part in ("Evidence", "Recipes", "Results", "Published options"):
        section_of(text, part)
    named = [row[0].strip("`") for row in rows_of(section_of(text, "Recipes"))]
    assert named == list(read_space(find_space(model)).recipes)


@pytest.mark.parametrize("floor", ["data", "trainables", "search"])
def test_the_picture_of_rooms_has_every_folder_in_its_order(floor):
    picture = section_of(text_of(DOCS / "design.md"), "Rooms").split("```")[1]
    drawn = re.split(r"^(?=\w+/)", picture, flags=re.MULTILINE)
    mine = next(part for part in drawn if part.startswith(f"{floor}/"))
    rooms = [room for room in ROOMS[floor] if (ROOT / floor / room).is_dir()]
    drawn_rooms = [name for name in re.findall(r"^(?:\w+/)? +(\w+)  ", mine, re.MULTILINE) if name in rooms]
    assert drawn_rooms == rooms


def test_pictures_are_small_and_used():
    pages = "".join(text_of(path) for path in PAGES)
    for path in (DOCS / "pictures").iterdir():
        assert path.stat().st_size < PICTURE_BYTES, f"{path.name}: {path.stat().st_size} bytes"
        assert f"pictures/{path.name})" in pages, f"{path.name} is on no page"
