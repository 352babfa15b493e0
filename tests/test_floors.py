"""The order of floors and rooms: who may import what, of ours and of libraries."""

import ast
import sys
from pathlib import Path

import pytest

import data
import search
import spaces
import trainables
from tests import ROOT
from tests.made.sources import FLOORS, ROOMS, SOURCES, imports, imports_of, is_in, place, trees

# What the order alone would allow: a model is built by the registry and knows nothing of who configures it, and who
# decides over trials does not touch those who run them.
APART = {
    "trainables.models": ("trainables.registry", "trainables.config", "trainables.cli"),
    "search.decisions": ("search.cli", "search.executors", "search.cluster"),
    "search.executors": ("search.cli", "search.decisions"),
    "data.synthetic": ("data.inputs", "data.batches"),
}
LIBRARIES = {
    "spaces": {"yaml"},
    "data": {"numpy", "torch"},
    "trainables": {"numpy", "torch", "safetensors"},
    "search": {"numpy", "torch", "yaml"},
}
# Libraries of few rooms or files.
ONLY_IN = {
    "ray": ("search.cluster", "search.doctor.nodes", "search.executors", "search.sweep"),
    "ray.train": ("search.executors.group",),
    "optuna": ("search.decisions", "search.tracking.studies"),
    "optuna_dashboard": ("search.tracking.studies.dashboard",),
    "msgspec": (
        *("search.record.records", "search.record.coding", "search.results.report.kept"),
        "data.inputs.detectors.openpose",
    ),
    "mlflow": ("search.tracking.mlflow_tracker", "search.tracking.one_transaction", "search.tracking.pages.start"),
    "tensorboardX": ("search.tracking.tensorboard.event_files",),
    "alembic": ("search.tracking.mlflow_tracker",),
    "sqlalchemy": ("search.tracking.one_transaction",),
    "starlette": ("search.tracking.pages.start",),
    "grpc": ("search.cluster.addresses",),
    "fsspec": ("search.executors.mirror",),
    "pandas": ("search.figures", "search.notebook.sweep"),
    "plotly": ("search.figures", "search.notebook.sweep"),
    "cdflib": ("data.conversion.cdf",),
    "scipy": ("data.bodies", "data.formats.meshes", "data.inputs.tracks", "search.decisions.samplers"),
    "cmaes": ("search.decisions.samplers.cmaes",),
    "PIL": (
        *("data.bodies", "data.images", "data.formats", "data.inputs", "data.synthetic"),
        *("trainables.pictures", "trainables.detection", "trainables.prediction"),
    ),
    "av": ("data.images.clips", "trainables.pictures"),
    "onnxruntime": ("trainables.detection.runtime",),
    "ezc3d": ("data.conversion.motion.c3d", "trainables.prediction.motion.c3d"),
    "rich": ("search.terminal.panel",),
}
# Where a name from outside chooses the module, so that help and bad input need none of the heavy ones.
LAZY = {"trainables.registry", "spaces.loading", "data.__main__", "search.decisions.sampler"}
# MLflow's server is to be imported by who serves, not by who looks whether there is such an application; the package of
# Optuna's dashboard need not be there.
LAZY |= {"search.tracking.pages.start", "search.tracking.ui"}
# The fork server loads for others, and answers between two libraries.
LAZY |= {"search.executors.workers.server"}


def room_of(name):
    """The place of a module in the order of its floor; None for the package of a floor itself."""
    floor, _, inside = name.partition(".")
    return ROOMS[floor].index(inside.partition(".")[0]) if inside else None


def upward(name, target):
    """Why a module may not import another one of ours; '' when it may."""
    here, there = name.split("."), target.split(".")
    if FLOORS.index(there[0]) > FLOORS.index(here[0]):
        return f"{name} imports {target} of a higher floor"
    if here[:2] == there[:2] == ["trainables", "models"] and here[2:3] != there[2:3] and len(there) > 2:
        return f"{name} imports {target}: models do not import each other"
    for room, others in APART.items():
        if is_in(name, room) and any(is_in(target, other) for other in others):
            return f"{name} imports {target}: {room} is kept apart from {', '.join(others)}"
    if here[0] == there[0] and len(there) > 1 and len(here) > 1 and room_of(name) < room_of(target):
        return f"{name} imports {target}, whose room stands above it"
    return ""


def foreign(name, target):
    """Why a module may not import a library; '' when it may."""
    top = target.split(".")[0]
    if top in sys.stdlib_module_names or top in FLOORS:
        return ""
    for library in (".".join(target.split(".")[:2]), top):
        if library in ONLY_IN:
            is_allowed = any(is_in(name, place) for place in ONLY_IN[library])
            return "" if is_allowed else f"{name} imports {target}; {library} is only for {', '.join(ONLY_IN[library])}"
    floor = name.split(".")[0]
    return "" if top in LIBRARIES[floor] else f"{name} imports {target}, which is no library of floor {floor}"


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
        for name, found in imports().items()
        for one in found
        if one.name.split(".")[0] in FLOORS and (why := upward(name, one.name))
    ]
    assert not faults, "\n".join(faults)


def test_every_room_has_its_place_in_the_order():
    homeless = [name for name in SOURCES if "." in name and name.split(".")[1] not in ROOMS[name.split(".")[0]]]
    assert not homeless, f"give these a place in ROOMS: {homeless}"
    gone = [f"{floor}/{room}" for floor, rooms in ROOMS.items() for room in rooms if f"{floor}.{room}" not in SOURCES]
    assert not gone, f"these are in ROOMS and nowhere else: {gone}"


def test_libraries_stay_in_their_rooms():
    faults = [
        f"{place(name, one.line)}: {why}"
        for name, found in imports().items()
        for one in found
        if (why := foreign(name, one.name))
    ]
    assert not faults, "\n".join(faults)


def test_ray_train_is_not_reached_as_an_attribute_elsewhere():
    faults = [
        place(name, node.lineno)
        for name, tree in trees().items()
        if name not in ONLY_IN["ray.train"]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("ray.train", "tune.train")
    ]
    assert not faults, faults


def test_the_data_floor_has_no_network_parts():
    faults = [
        place(name, one.line)
        for name, found in imports().items()
        for one in found
        if is_in(name, "data") and is_in(one.name, "torch.nn")
    ]
    assert not faults, faults


def test_no_two_modules_import_each_other():
    edges = {
        name: [one.name for one in found if one.name in SOURCES and not one.for_types and one.name != name]
        for name, found in imports().items()
    }
    assert cycle_in(edges) == []


def test_nothing_is_imported_inside_a_function():
    faults = [
        f"{place(name, one.line)}: {one.name}" for name, found in imports().items() for one in found if one.in_function
    ]
    assert not faults, "\n".join(faults)


def test_modules_are_chosen_by_name_only_where_that_is_the_design():
    lazy = {
        name
        for name, tree in trees().items()
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
        ("data.formats.poses.h36m", "from data.verbs import check", "stands above"),
        ("trainables.models.graformer.network", "from trainables.config import TrainConfig", "kept apart"),
        ("trainables.models.graformer.network", "from ..poseformer import network", "do not import each other"),
        ("trainables.registry", "from .engines.engine import Report", "stands above"),
        ("trainables.config", "from .runs.loop import fit", "stands above"),
        ("trainables.engines.engine", "import ray", "ray is only for"),
        ("search.record.journal", "import pandas", "pandas is only for"),
        ("search.record.journal", "import sklearn", "no library of floor search"),
        ("search.record.journal", "from ..sweep import run", "stands above"),
        ("search.record.plan", "from optuna.samplers import TPESampler", "optuna is only for"),
        ("search.decisions.conductor", "from ..executors.attempt import run_attempt", "kept apart"),
        ("search.decisions.conductor", "import ray", "ray is only for"),
        ("search.sweep.run", "from ray import train", "ray.train is only for"),
        ("search.executors.solo", "import ray.train.torch", "ray.train is only for"),
        ("search.tracking.spool", "import mlflow", "mlflow is only for"),
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
