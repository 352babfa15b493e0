"""The sources of the four floors, parsed, and what each of them imports."""

import ast
import functools
from dataclasses import dataclass

from tests import ROOT

# Lowest first; a module imports its own room or lower ones, of its own floor or of those below.
ROOMS = {
    "spaces": (
        *(
            "loading",
            "console",
            "errors",
            "yaml_text",
            "files",
            "table",
            "schema",
            "domains",
            "domain_text",
            "conditions",
        ),
        *("includes", "space", "commands", "cli"),
    ),
    "data": (
        *("errors", "poses", "config", "bodies", "images", "formats", "inputs", "batches"),
        *("synthetic", "conversion", "verbs", "cli", "__main__"),
    ),
    "trainables": (
        *(
            "entry",
            "registry",
            "config",
            "cli",
            "kernels",
            "layers",
            "devices",
            "scoring",
            "weights",
            "models",
            "templates",
        ),
        *("engines", "pictures", "runs", "detection", "prediction", "__main__"),
    ),
    "search": (
        *("environment", "record", "terminal", "cli", "decisions", "cluster", "doctor", "executors", "tracking"),
        *("figures", "results", "sweep", "__main__", "notebook"),
    ),
}
FLOORS = tuple(ROOMS)


@dataclass(frozen=True)
class Import:
    """One imported name. `line`: where; `in_function`, `for_types`: in which kind of block."""

    name: str
    line: int
    in_function: bool
    for_types: bool


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
    if ROOT / "data" / "store" not in path.parents
}


@functools.cache
def trees():
    """By module, its source, parsed; made by the first test that asks, for that takes seconds."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def is_in(name, place):
    """Whether a module is a place, or lies in it."""
    return name == place or name.startswith(f"{place}.")


def imports_of(name, tree=None):
    """Every import of a module; relative ones made absolute, `from package import module` resolved to the module."""
    package = name if tree is None and SOURCES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = []

    def visit(node, in_function, for_types):
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, in_function, for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                # `from ray import train` imports ray.train; of our own packages we know which names are modules.
                is_module = whole in SOURCES or whole in ("ray.train", "torch.nn")
                found.append(Import(whole if is_module else source, node.lineno, in_function, for_types))
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.iter_child_nodes(node):
            visit(child, in_function or is_function, for_types or is_typing)

    visit(trees()[name] if tree is None else tree, False, False)
    return found


@functools.cache
def imports():
    """By module, its imports."""
    return {name: imports_of(name) for name in SOURCES}


def place(name, line):
    return f"{SOURCES[name].relative_to(ROOT)}:{line}"
