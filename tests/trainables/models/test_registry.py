"""How a model's package is read: parts by name, defaults, and one clear message for a mistake in it."""

import dataclasses
import sys

import pytest

import trainables.models
from spaces.errors import ConfigError
from trainables import registry
from trainables.entry import Model, ModelConfig, Traits, plain_name

CONFIG = """
class NetworkConfig: ...
class ObjectiveConfig: ...
def laws(network, sizes): ...
"""
WHOLE = {
    "__init__": "ENTRY = {}",
    "config": CONFIG,
    "network": "def build(config, sizes): ...\ndef shapes(found): ...",
    "objective": "def terms(prediction, batch, objective): ...\ndef poses(prediction): ...",
}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Writes a model `made` of the modules of WHOLE, some of them changed; None leaves one out."""
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(trainables.models, "__path__", [str(tmp_path)])

    def write(**changes):
        (tmp_path / "made").mkdir()
        for module, text in {**WHOLE, **changes}.items():
            if text is not None:
                (tmp_path / "made" / f"{module}.py").write_text(text)
        return "made"

    yield write
    for name in [name for name in sys.modules if name.startswith("trainables.models.made")]:
        del sys.modules[name]
    registry.config.cache_clear()
    registry.get.cache_clear()


def problems_of(load, name):
    with pytest.raises(ConfigError) as caught:
        load(name)
    return caught.value.where, "\n".join(caught.value.problems)


def test_a_package_that_names_nothing_has_the_parts_at_their_usual_places(made):
    model = registry.get(made())
    assert (model.name, model.build.__name__, model.terms.__module__) == (
        "made",
        "build",
        "trainables.models.made.objective",
    )
    assert model.traits(None) == Traits(reads=("pose2d", "pose3d"))
    assert model.rename is plain_name
    assert (model.infer, model.scores, model.trunk, model.tiny, model.can_flip) == (None, None, None, {}, True)


def test_an_entry_moves_parts_adds_optional_ones_and_gives_facts(made):
    entry = "ENTRY = {'build': 'network:shapes', 'infer': 'network:shapes', 'tiny': {'a': 1}, 'can_flip': False}"
    model = registry.get(made(__init__=entry))
    assert model.build is model.infer
    assert model.build.__name__ == "shapes"
    assert (model.tiny, model.can_flip) == ({"a": 1}, False)


def test_configuration_loads_only_the_parts_that_it_needs(made):
    name = made(network="raise AssertionError('torch would be imported')")
    assert registry.config(name).laws.__name__ == "laws"
    with pytest.raises(AssertionError, match="torch would be imported"):
        registry.get(name)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("ENTRY = {'infr': 'network:infer'}", "ENTRY has 'infr', which is no hook; did you mean infer?"),
        ("ENTRY = {'zzz': 1}", "ENTRY has 'zzz', which is no hook; hooks: network, objective, laws,"),
        ("ENTRY = {'infer': 'network.infer'}", "ENTRY has infer = 'network.infer', which is no place; write 'module:"),
        ("ENTRY = {'infer': print}", "which is no place; write 'module:attribute'"),
        ("ENTRY = {'name': 'made'}", "ENTRY has 'name', which is no hook"),
        ("ENTRY = []", "ENTRY must be a mapping of hooks to places, found []"),
        ("", "ENTRY must be a mapping of hooks to places, found None"),
    ],
)
def test_a_wrong_entry_is_answered_with_its_file_and_the_remedy(made, entry, words):
    where, problems = problems_of(registry.config, made(__init__=entry))
    assert where == "trainables/models/made/__init__.py"
    assert words in problems


def test_all_that_is_wrong_with_an_entry_comes_at_once(made):
    _, problems = problems_of(registry.get, made(__init__="ENTRY = {'infr': '', 'laws': 'config', 'spares': 3}"))
    assert len(problems.splitlines()) == 3


def test_all_missing_parts_are_listed_with_what_they_are_for(made):
    where, problems = problems_of(registry.get, made(objective=None, network="", __init__="ENTRY = {'infer': 'x:y'}"))
    assert where == "trainables/models/made"
    for words in (
        "network.py has no build, for the hook build(network_config, sizes): module that maps a Batch to a Prediction; "
        "define it, or name its place in ENTRY of __init__.py: {'build': 'module:attribute'}",
        "there is no objective.py with terms, for the hook terms(prediction, batch, objective_config): ",
        "there is no objective.py with poses",
        "there is no x.py with y, for the hook infer(shapes)",
    ):
        assert words in problems


def test_a_part_whose_own_import_fails_keeps_its_traceback(made):
    name = made(network="import nowhere_at_all")
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        registry.get(name)


@pytest.mark.parametrize(
    "hook", [field for field in dataclasses.fields(Model) if field.name != "name"], ids=lambda field: field.name
)
def test_every_hook_says_what_it_is(hook):
    text = hook.metadata["help"]
    assert len(text) > 10
    is_required = hook.default is hook.default_factory is dataclasses.MISSING
    assert is_required == bool(hook.metadata.get("place")), "a part without a usual place has a default"


@pytest.mark.parametrize("name", registry.names())
def test_configuration_and_the_whole_model_agree(name):
    light, whole = registry.config(name), registry.get(name)
    assert all(getattr(light, field.name) == getattr(whole, field.name) for field in dataclasses.fields(ModelConfig))
    assert whole.can_flip == (whole.scores is None), "meshes are scored as they are"
