"""Which module may import what: floors, third-party libraries, cycles, imports in functions."""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import data
import search
import spaces
import trainables
from tests import ROOT

FLOORS = ("spaces", "data", "trainables", "search")

# Lowest first; a module imports its own step or lower ones. `x.` stands for everything in that package.
TRAINABLES = (
    ("layers.", "entry", "devices."),
    ("models.",),
    ("registry",),
    ("config",),
    ("cli.",),
    ("scoring.", "weights."),
    ("engines.",),
    ("pictures.",),
    ("runs.",),
    ("prediction.",),
    ("__main__",),
)
THIRD_PARTY = {
    "spaces": {"yaml"},
    "data": {"numpy", "torch"},
    "trainables": {"numpy", "torch", "safetensors"},
    "search": {"numpy", "torch", "yaml"},
}
ONLY_IN = {
    "ray": {
        "search.cluster.session",
        "search.executors.group",
        "search.cluster.jobs",
        "search.cluster.nodes",
        "search.cluster.ports",
        "search.executors.solo",
        "search.sweep.run",
        "search.sweep.tune",
    },
    "ray.train": {"search.executors.group"},
    "optuna": {"search.decisions.sampler"},
    "mlflow": {"search.tracking.mlflow_tracker"},
    "cdflib": {"data.conversion.cdf"},
    "fsspec": {"search.executors.mirror"},
    "PIL": {
        "data.images.crops",
        "data.formats.images.h36m_images",
        "data.inputs.photos",
        "data.images.mesh_crops",
        "data.inputs.boxes",
        "data.bodies.painter",
        "data.synthetic.images.figures",
        "data.synthetic.meshes.mesh_drawing",
        "trainables.pictures.films",
        "trainables.pictures.meshes",
        "trainables.prediction.meshes",
        "trainables.pictures.skeletons",
        "trainables.pictures.sheets",
    },
    "av": {"trainables.pictures.films"},
    "scipy": {"data.bodies.coarsening", "data.formats.meshes.body_models", "data.formats.meshes.mesh_sampling"},
}
# Where a name from outside chooses the module, so that help and bad input need none of the heavy ones.
LAZY = {"trainables.registry", "spaces.cli", "data.__main__"}


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


SOURCES = {module_name(path): path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


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
                is_module = whole in SOURCES or whole in ONLY_IN or whole == "torch.nn"
                found.append(Import(whole if is_module else source, node.lineno, in_function, for_types))
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.iter_child_nodes(node):
            visit(child, in_function or is_function, for_types or is_typing)

    visit(TREES[name] if tree is None else tree, False, False)
    return found


IMPORTS = {name: imports_of(name) for name in SOURCES}


def place(name, line):
    return f"{SOURCES[name].relative_to(ROOT)}:{line}"


def step_of(name):
    """The step of a module in TRAINABLES; None when it has no place there."""
    if not name.startswith("trainables."):
        return None
    short = name.removeprefix("trainables.")
    for step, names in enumerate(TRAINABLES):
        if any(short == one or (one.endswith(".") and f"{short}.".startswith(one)) for one in names):
            return step
    return None


def upward(name, target):
    """Why a module may not import another one of ours; '' when it may."""
    here, there = name.split("."), target.split(".")
    if FLOORS.index(there[0]) > FLOORS.index(here[0]):
        return f"{name} imports {target} of a higher floor"
    if here[:2] == there[:2] == ["trainables", "models"] and here[2:3] != there[2:3] and len(there) > 2:
        return f"{name} imports {target}: models do not import each other"
    steps = step_of(name), step_of(target)
    if None not in steps and steps[0] < steps[1]:
        return f"{name} imports {target}, which stands above it"
    return ""


def foreign(name, target):
    """Why a module may not import a library; '' when it may."""
    top = target.split(".")[0]
    if top in sys.stdlib_module_names or top in FLOORS:
        return ""
    for library in (".".join(target.split(".")[:2]), top):
        if library in ONLY_IN:
            allowed = ", ".join(sorted(ONLY_IN[library]))
            return "" if name in ONLY_IN[library] else f"{name} imports {target}; {library} is only for {allowed}"
    floor = name.split(".")[0]
    return "" if top in THIRD_PARTY[floor] else f"{name} imports {target}, which is no library of floor {floor}"


def cycle_in(edges):
    """The modules of one import cycle, or an empty list. `edges`: module -> modules that it imports at run time."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        path.append(name)
        for target in edges.get(name, ()):
            if cycle := visit(target):
                return cycle
        path.pop()
        done.add(name)
        return []

    return next((cycle for name in edges if (cycle := visit(name))), [])


def test_no_module_imports_upward_or_sideways():
    faults = [
        f"{place(name, one.line)}: {why}"
        for name, found in IMPORTS.items()
        for one in found
        if one.name.split(".")[0] in FLOORS and (why := upward(name, one.name))
    ]
    assert not faults, "\n".join(faults)


def test_every_module_of_trainables_has_its_place():
    homeless = [name for name in SOURCES if name.startswith("trainables.") and step_of(name) is None]
    assert not homeless, f"give these a step in TRAINABLES: {homeless}"


def test_libraries_stay_on_their_floor():
    faults = [
        f"{place(name, one.line)}: {why}"
        for name, found in IMPORTS.items()
        for one in found
        if (why := foreign(name, one.name))
    ]
    assert not faults, "\n".join(faults)


def test_ray_train_is_not_reached_as_an_attribute_elsewhere():
    faults = [
        place(name, node.lineno)
        for name, tree in TREES.items()
        if name not in ONLY_IN["ray.train"]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("ray.train", "tune.train")
    ]
    assert not faults, faults


def test_the_data_floor_has_no_network_parts():
    faults = [
        place(name, one.line)
        for name, found in IMPORTS.items()
        for one in found
        if name.startswith("data") and f"{one.name}.".startswith("torch.nn.")
    ]
    assert not faults, faults


def test_no_two_modules_import_each_other():
    edges = {
        name: [one.name for one in found if one.name in SOURCES and not one.for_types and one.name != name]
        for name, found in IMPORTS.items()
    }
    assert cycle_in(edges) == []


def test_nothing_is_imported_inside_a_function():
    faults = [
        f"{place(name, one.line)}: {one.name}" for name, found in IMPORTS.items() for one in found if one.in_function
    ]
    assert not faults, "\n".join(faults)


def test_modules_are_chosen_by_name_only_where_that_is_the_design():
    lazy = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
    }
    assert lazy <= LAZY, lazy - LAZY


@pytest.mark.parametrize(
    ("name", "source", "why"),
    [
        ("spaces.schema", "import torch", "no library of floor spaces"),
        ("spaces.space", "from data import config", "higher floor"),
        ("data.batches.poses", "from search.record.journal import Journal", "higher floor"),
        ("trainables.models.graformer.network", "from trainables.config import TrainConfig", "stands above"),
        ("trainables.registry", "from .engine import SingleEngine", "stands above"),
        ("trainables.config", "from .train import fit", "stands above"),
        ("trainables.models.graformer.network", "from ..poseformer import network", "do not import each other"),
        ("trainables.engines.engine", "import ray", "ray is only for"),
        ("search.sweep.run", "from ray import train", "ray.train is only for"),
        ("search.executors.solo", "import ray.train.torch", "ray.train is only for"),
        ("search.record.plan", "from optuna.samplers import TPESampler", "optuna is only for"),
        ("search.tracking.spool", "import mlflow", "mlflow is only for"),
        ("search.record.journal", "import pandas", "no library of floor search"),
    ],
)
def test_a_wrong_import_would_be_found(name, source, why):
    found = [one.name for one in imports_of(name, ast.parse(source))]
    faults = [upward(name, one) if one.split(".")[0] in FLOORS else foreign(name, one) for one in found]
    assert any(why in fault for fault in faults), (found, faults)


def test_a_cycle_would_be_found():
    assert cycle_in({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]


@pytest.mark.parametrize("package", [spaces, data, trainables, search], ids=FLOORS)
def test_the_package_is_the_one_in_this_repository(package):
    assert Path(package.__file__).resolve().parent.parent == ROOT
