"""How large files and folders may grow, and that what is named as text is there."""

import ast
import itertools
import re

import pytest

from tests import ROOT
from tests.made.sources import FLOORS, SOURCES, trees

MOST_FILES, MOST_LINES, MOST_LOOSE = 14, 350, 3
DUNDER = ("__init__", "__main__")


def texts():
    """Every text of the sources and tests that names a module of ours, with its place."""
    named = re.compile(rf"({'|'.join(FLOORS)})(\.\w+)+:\w+")
    ours = [(SOURCES[name], tree) for name, tree in trees().items()]
    tests = ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted((ROOT / "tests").rglob("*.py")))
    for path, tree in itertools.chain(ours, tests):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if named.fullmatch(node.value):
                    yield path, node.value
            elif isinstance(node, ast.List | ast.Tuple):
                words = [one.value if isinstance(one, ast.Constant) else None for one in node.elts]
                yield from ((path, after) for word, after in itertools.pairwise(words) if word == "-m")


def bound_in(tree):
    """The names that a module binds outside its functions and classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (one.id for one in node.targets if isinstance(one, ast.Name))


def test_modules_named_as_text_are_there():
    found = [(path, text) for path, text in texts() if isinstance(text, str) and text.split(".")[0] in FLOORS]
    assert len(found) > 20
    faults = []
    for path, text in found:
        module, _, attribute = text.partition(":")
        known = module in SOURCES or f"{module}.__main__" in SOURCES
        # Read and not imported, for that takes ten seconds.
        if not known or (attribute and attribute not in bound_in(trees()[module])):
            faults.append(f"{path.relative_to(ROOT)}: {text}")
    assert not faults, "\n".join(faults)


def folders():
    """Every folder of Python files, with them."""
    tops = [*FLOORS, "tests", "bench", "docs"]
    files = [path for top in tops for path in (ROOT / top).rglob("*.py") if ROOT / "data" / "store" not in path.parents]
    found = {}
    for path in files:
        found.setdefault(path.parent, []).append(path)
    return found


def test_no_file_is_too_long_and_no_folder_too_full():
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for paths in folders().values()
        for path in paths
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    ]
    full = [
        f"{folder.relative_to(ROOT)}: {count} files"
        for folder, paths in folders().items()
        if (count := sum(path.stem not in DUNDER for path in paths)) > MOST_FILES
    ]
    assert not long + full, "\n".join(long + full)


@pytest.mark.parametrize("floor", [floor for floor in FLOORS if floor != "spaces"])
def test_few_files_lie_loose_beside_the_rooms_of_a_floor(floor):
    loose = [path.stem for path in (ROOT / floor).glob("*.py") if path.stem not in DUNDER]
    assert len(loose) <= MOST_LOOSE, loose
