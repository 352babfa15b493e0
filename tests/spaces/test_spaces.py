"""Search spaces: those in the repository fit their models, and malformed ones are refused with the remedy."""

import math
from pathlib import Path

import pytest

from spaces.domain_text import read_domain
from spaces.domains import Grid, Normal
from spaces.errors import ConfigError
from spaces.schema import dump
from spaces.space import FOLDER, Choice, Float, Int, Space, find_space, parse_space, read_space
from spaces.yaml_text import comments_above, parse_yaml
from trainables.config import config_from, default_config, knobs_of

FILES = sorted(FOLDER.glob("*.yaml"))

GOOD = """
model: graformer
objective: val/mpjpe_mm
recipes:
  original: {optim.lr: 1e-3, loop.epochs: 100}
  small: {optim.lr: 2e-3, loop.epochs: 8}
base: {data.frames: 1}
search:
  optim.lr: {log: [1e-4, 3e-3]}
  optim.lr_decay: {range: [0.8, 0.99]}
  network.layers: {range: [2, 8], step: 2}
  network.heads: {choice: [1, 2, 4]}
narrow:
  small:
    network.layers: {range: [2, 4]}
    optim.lr_decay:
"""


@pytest.fixture(params=FILES, ids=[path.stem for path in FILES])
def space(request) -> Space:
    return read_space(request.param)


def parsed(text):
    return parse_space(parse_yaml(text, "mine.yaml"), "mine.yaml")


def faults_of(text):
    """Every problem of a space: of its shape, or when that is right, of its knobs."""
    try:
        found = parsed(text)
    except ConfigError as error:
        return list(error.problems)
    return found.check(knobs_of("graformer"))


# --- the spaces of the repository


def test_there_is_a_space_for_graformer():
    assert find_space("graformer") in FILES


def test_a_space_fits_its_model(space):
    assert space.check(knobs_of(space.model)) == []
    assert space.model == Path(space.where).stem


def test_every_recipe_makes_a_config_that_round_trips(space):
    for name in space.recipes:
        config = default_config(space.model, space.fixed(name), name)
        assert config_from(parse_yaml(dump(config), name), name) == config


def test_a_space_has_a_small_recipe_after_its_published_one(space):
    assert "small" in list(space.recipes)[1:]


def test_every_recipe_searches_something_and_narrows_only_what_is_searched(space):
    for name in space.recipes:
        assert space.domains(name)
        assert space.narrow.get(name, {}).keys() <= space.search.keys()


def test_searched_knobs_may_take_the_recipes_values(space):
    # Trial 0 is the recipe: Optuna learns only from those of its values that lie in their domains. Zero is the end
    # that a logarithm cannot reach.
    for name in space.recipes:
        fixed = space.fixed(name)
        for path, domain in space.domains(name).items():
            if path not in fixed or fixed[path] == 0:
                continue
            value = knobs_of(space.model)[path].read(fixed[path])
            inside = value in domain.values if isinstance(domain, Choice) else domain.low <= value <= domain.high
            assert inside, f"{name}: {path} = {value} lies outside {domain}"


# --- what a space says


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("{log: [1e-4, 3e-3]}", Float(1e-4, 3e-3, log=True)),
        ("{range: [0.8, 0.99]}", Float(0.8, 0.99)),
        ("{range: [0.0, 0.5], step: 0.05}", Float(0.0, 0.5, step=0.05)),
        ("{range: [0, 1], step: 0.1}", Float(0.0, 1.0, step=0.1)),
        ("{range: [2, 8], step: 2}", Int(2, 8, step=2)),
        ("{log: [16, 512], step: 16}", Int(16, 512, step=16, log=True)),
        ("{log: [0.1, 0.9], step: 1e-1}", Float(0.1, 0.9, log=True, step=0.1)),
        ("{choice: [1, 2, 4]}", Choice((1, 2, 4))),
        ("{grid: [4, 1, 2]}", Grid((1, 2, 4))),
        ("{grid: [1e-3, 0.1]}", Grid((0.001, 0.1))),
        ("{grid: [max, mean]}", Choice(("max", "mean"))),
        ("{normal: [0.5, 0.1]}", Normal(0.5, 0.1, 0.5 - 0.4, 0.9)),
        ("{normal: [0, 1], low: 0, high: 3}", Normal(0.0, 1.0, 0.0, 3.0)),
        ("{normal: [0.1, 0.02], low: 0, high: 0.15}", Normal(0.1, 0.02, 0.1 - 0.08, 0.15)),
        ("{normal: [4, 2], low: 1, high: 8, step: 1}", Normal(4.0, 2.0, 1, 8, step=1)),
        ("{normal: [64, 8], low: 0, high: 512, step: 16}", Normal(64.0, 8.0, 32, 96, step=16)),
        ("{lognormal: [1.0, 2]}", Normal(0.0, math.log(2), 1 / 16, 16.0, log=True)),
    ],
)
def test_domains_are_read_from_their_forms(text, domain):
    assert read_domain(parse_yaml(text, "mine.yaml")) == domain


def test_a_space_is_read_with_its_domains():
    found = parsed(GOOD)
    assert dict(found.search) == {
        "optim.lr": Float(1e-4, 3e-3, log=True),
        "optim.lr_decay": Float(0.8, 0.99),
        "network.layers": Int(2, 8, step=2),
        "network.heads": Choice((1, 2, 4)),
    }
    assert faults_of(GOOD) == []


def test_narrow_replaces_domains_and_takes_some_away():
    found = parsed(GOOD)
    assert found.domains("original") == dict(found.search)
    small = found.domains("small")
    assert small["network.layers"] == Int(2, 4)
    assert "optim.lr_decay" not in small
    assert small["optim.lr"] == found.search["optim.lr"]


def test_a_recipe_stands_above_base():
    found = parsed(GOOD.replace("base: {data.frames: 1}", "base: {data.frames: 1, loop.epochs: 5}"))
    assert found.fixed("small") == {"data.frames": 1, "optim.lr": "2e-3", "loop.epochs": 8}


def test_whole_ends_in_a_logarithm_make_whole_numbers():
    found = parsed(GOOD.replace("{log: [1e-4, 3e-3]}", "{log: [10, 1000]}"))
    assert found.search["optim.lr"] == Int(10, 1000, log=True)


def test_a_space_needs_no_base_narrow_or_objective():
    found = parsed("{model: m, recipes: {a: {}}, search: {x: {choice: [1, 2]}}}")
    assert (found.base, found.narrow, found.objective) == ({}, {}, "val/mpjpe_mm")


# --- malformed spaces


@pytest.mark.parametrize("text", ["", "[]", "text", "3"])
def test_a_space_that_is_no_mapping_is_told_its_keys(text):
    assert faults_of(text) == [
        "a space is a mapping with the keys model, objective, limits, recipes, base, search, narrow, points, include"
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("narrow:", "narow:", ["narow: no such section; did you mean narrow?"]),
        ("model: graformer", "", ["model is missing"]),
        ("model: graformer", "model: 3", ["model must be text, not 3"]),
        ("objective: val/mpjpe_mm", "objective: {a: 1}", ["objective must be text, or a list of texts"]),
        ("base: {data.frames: 1}", "base: [data.frames]", ["base must be a mapping, not list"]),
        ("  small: {optim.lr: 2e-3, loop.epochs: 8}", "  small: 8", ["recipes.small must be a mapping of dotted"]),
        ("  small: {optim.lr:", "  small: {network: {width: 3}, optim.lr:", ["recipes.small.network: no such knob"]),
        ("  small: {optim.lr:", "  small: {7: 3, optim.lr:", ["recipes.small.7: no such knob; all: "]),
        ("optim.lr: {log", "optim.lrr: {log", ["search.optim.lrr: no such knob; did you mean optim.lr?"]),
        ("optim.lr: {log", "zzz: {log", ["search.zzz: no such knob; all: python -m search list --knobs MODEL"]),
        ("optim.lr: {log", "7: {log", ["search.7: no such knob"]),
        ("{range: [0.8, 0.99]}", "{range: [0.8, 1.5]}", ["search.optim.lr_decay = 1.5: out of bounds", "<= 1"]),
        ("{range: [0.8, 0.99]}", "{range: [0.0, 0.9]}", ["search.optim.lr_decay = 0.0: out of bounds", "> 0"]),
        ("{choice: [1, 2, 4]}", "{choice: [1, 2, four]}", ["network.heads = four: expected int, got text 'four'"]),
        ("{choice: [1, 2, 4]}", "{choice: [1, 2, true]}", ["network.heads = True: expected int, got bool"]),
        ("{choice: [1, 2, 4]}", "{choice: [0, 2]}", ["network.heads = 0: out of bounds; allowed: int and >= 1"]),
        ("{range: [2, 8], step: 2}", "{range: [2.5, 8.0]}", ["network.layers = 2.5: expected int, got float"]),
        ("data.frames: 1", "data.frames: 1, optim.lr: 1e-3", ["optim.lr stands in base and in search; keep one"]),
        ("data.frames: 1", "data.frame: 1", ["base.data.frame: no such knob; did you mean data.frames?"]),
        ("data.frames: 1", "data.frames: odd", ["base.data.frames = odd: expected int, got text 'odd'"]),
        ("{log: [1e-4, 3e-3]}", "{log: [0, 3e-3]}", ["search.optim.lr: log needs low > 0"]),
        ("{log: [1e-4, 3e-3]}", "{log: [-1, 3]}", ["search.optim.lr: log needs low > 0"]),
        ("{log: [1e-4, 3e-3]}", "{log: [3e-3, 1e-4]}", ["search.optim.lr: log needs low < high"]),
        ("{log: [1e-4, 3e-3]}", "{log: [1e-4, 1e-4]}", ["search.optim.lr: log needs low < high"]),
        ("{log: [1e-4, 3e-3]}", "{log: [1e-4]}", ["search.optim.lr: log needs two numbers [low, high]"]),
        ("{log: [1e-4, 3e-3]}", "{log: [low, high]}", ["search.optim.lr: log needs two numbers [low, high]"]),
        ("{log: [1e-4, 3e-3]}", "{log: 1e-4}", ["search.optim.lr: log needs a list"]),
        ("{log: [1e-4, 3e-3]}", "{log: [1e-4, 3e-3], step: 2}", ["step = 2 must be a number above 0 that divides"]),
        ("{log: [1e-4, 3e-3]}", "{log: [1e-4, 3e-3], low: 2}", ["expected one of {choice: [a, b]}"]),
        ("{log: [1e-4, 3e-3]}", "{choice: [1e-4, 3e-3], step: 2}", ["expected one of {choice: [a, b]}"]),
        (
            "{log: [1e-4, 3e-3]}",
            "1e-3",
            ["search.optim.lr: 1e-3 is a lone value", "in base, as the line 'optim.lr: 1e-3'"],
        ),
        ("{choice: [1, 2, 4]}", "4", ["search.network.heads: 4 is a lone", "in base, as the line 'network.heads: 4'"]),
        ("{choice: [1, 2, 4]}", "true", ["as the line 'network.heads: true'"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [1e-3]}", ["normal needs two numbers [mean, deviation], found [", "1e-3"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [1e-3, 0]}", ["normal needs two numbers [mean, deviation]"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [1e-3, .inf]}", ["normal needs two numbers [mean, deviation]"]),
        ("{log: [1e-4, 3e-3]}", f"{{normal: [{10**400}, 1]}}", ["normal needs two numbers [mean, deviation]"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [1e300, 1e308]}", ["normal needs two numbers [mean, deviation]"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [1e-3, 1e-3]}", ["optim.lr = -0.003: out of bounds; allowed: float and > 0"]),
        (
            "{log: [1e-4, 3e-3]}",
            "{normal: [1, 1], low: 6, high: 9}",
            ["next to nothing between low = 6 and high = 9; it goes from -3 to 5"],
        ),
        ("{log: [1e-4, 3e-3]}", "{normal: [1, 1], low: 2, high: 2}", ["normal needs low < high, found {"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [9, 2], low: 1, step: 1}", ["normal with a step needs low and high"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [9, 2], low: 1, high: 8, step: 2}", ["a step that divides high - low"]),
        ("{log: [1e-4, 3e-3]}", "{normal: [0, 1], low: 3.99, high: 3.990001}", ["normal has next to nothing between"]),
        ("{log: [1e-4, 3e-3]}", "{lognormal: [1e-3, 1]}", ["lognormal needs two numbers [median, factor], a median"]),
        ("{log: [1e-4, 3e-3]}", "{lognormal: [-1, 2]}", ["lognormal needs two numbers [median, factor]"]),
        ("{log: [1e-4, 3e-3]}", "{lognormal: [1e-320, 1e6]}", ["lognormal needs two numbers [median, factor]"]),
        ("{log: [1e-4, 3e-3]}", "{lognormal: [1, 1e300]}", ["lognormal needs two numbers [median, factor]"]),
        ("{log: [1e-4, 3e-3]}", "{grid: []}", ["grid needs a list"]),
        ("{log: [1e-4, 3e-3]}", "{grid: [1e-3, 0.001]}", ["grid repeats a value"]),
        ("{log: [1e-4, 3e-3]}", "{grid: [1e-3, [1]]}", ["expected float, got"]),
        ("{choice: [1, 2, 4]}", "{grid: [1, 2.5]}", ["search.network.heads = 2.5: expected int, got float"]),
        ("{log: [1e-4, 3e-3]}", "{log: [1, 2], range: [1, 2]}", ["expected one of {choice: [a, b]}"]),
        ("{log: [1e-4, 3e-3]}", "{uniform: [1, 2]}", ["expected one of {choice: [a, b]}"]),
        ("{log: [1e-4, 3e-3]}", "[1e-4, 3e-3]", ["expected one of {choice: [a, b]}"]),
        ("{log: [1e-4, 3e-3]}", "", ["search.optim.lr: expected one of", "found None"]),
        ("{log: [1e-4, 3e-3]}", "{range: [.nan, 1]}", ["search.optim.lr: range needs low < high"]),
        ("{log: [1e-4, 3e-3]}", "{log: [1.0, .inf]}", ["search.optim.lr = inf: must be finite"]),
        ("{range: [2, 8], step: 2}", "{range: [2, 8], step: 5}", ["step = 5 must be a whole number that divides"]),
        ("{range: [2, 8], step: 2}", "{range: [2, 8], step: 0}", ["step = 0 must be a whole number"]),
        ("{range: [0.8, 0.99]}", "{range: [0.8, 0.9], step: 1}", ["step = 1 must be a number above 0 that divides"]),
        ("{range: [0.8, 0.99]}", "{range: [0.8, 0.9], step: .nan}", ["step = nan must be a number above 0"]),
        ("{range: [0.8, 0.99]}", "{range: [0.8, .inf], step: 0.1}", ["step = 0.1 must be a number above 0"]),
        ("{range: [0.8, 0.99]}", "{range: [0.8, 0.9], step: true}", ["step = True must be a number above 0"]),
        ("{range: [0.8, 0.99]}", "{range: [0.8, 0.9], step:}", ["step = None must be a number above 0"]),
        ("{range: [0.8, 0.99]}", "{range: [0.8, 0.9], step: 1e-300}", ["step = 1e-300 must be a number above 0"]),
        ("{choice: [1, 2, 4]}", "{choice: [1, 2, 1]}", ["search.network.heads: choice repeats a value"]),
        ("{choice: [1, 2, 4]}", "{choice: []}", ["search.network.heads: choice needs a list"]),
        ("narrow:\n  small:", "narrow:\n  smal:", ["narrow.smal: no such recipe; did you mean small?; r"]),
        ("    network.layers: {r", "    network.depth: {r", ["narrow.small.network.depth: no such knob"]),
        (
            "    network.layers: {r",
            "    optim.clip: 3\n    network.layers: {r",
            ["small.optim.clip: 3 is a lone value", "put it in recipes.small, as the line 'optim.clip: 3'"],
        ),
    ],
)
def test_a_malformed_space_is_refused_with_the_place_and_the_remedy(old, new, words):
    assert old in GOOD
    found = "\n".join(faults_of(GOOD.replace(old, new, 1)))
    assert all(word in found for word in words), found


def test_recipes_must_hold_one():
    start, end = GOOD.index("recipes:"), GOOD.index("base:")
    found = faults_of(GOOD[:start] + "recipes: {}\n" + GOOD[end:])
    assert "recipes needs at least one entry; without recipes trial 0 is the model's default with base" in found


def test_a_space_without_recipes_starts_from_the_models_default_with_base():
    start, end, last = GOOD.index("recipes:"), GOOD.index("base:"), GOOD.index("narrow:")
    found = parsed(GOOD[:start] + GOOD[end:last])
    assert dict(found.recipes) == {"default": {}}
    assert found.fixed("default") == {"data.frames": 1}
    assert found.check(knobs_of("graformer")) == []


def test_all_faults_of_a_space_come_at_once():
    broken = GOOD.replace("graformer", "3").replace("[0.8, 0.99]", "[2, 1]").replace("[1, 2, 4]", "[1, 1]")
    assert len(faults_of(broken)) == 3
    wrong = GOOD.replace("optim.lr: {log", "optim.lrr: {log").replace("[0.8, 0.99]", "[0.8, 2.0]")
    assert len(faults_of(wrong)) == 2


@pytest.mark.parametrize("text", ["model: [graformer", GOOD + "search: {}\n", "model: a\n\tsearch: b"])
def test_a_space_that_is_no_yaml_is_refused_with_its_line(text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_space(path)
    assert caught.value.where == str(path)
    assert "is not valid YAML" in str(caught.value)
    assert "line " in str(caught.value)


# --- which file a name means


def test_a_space_is_found_by_model_name_and_by_path(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(GOOD)
    assert find_space("graformer") == FOLDER / "graformer.yaml"
    assert find_space(str(mine)) == mine


def test_a_misspelt_model_is_offered_the_nearest():
    with pytest.raises(ConfigError, match="did you mean graformer") as caught:
        find_space("grafomer")
    assert "Models: graformer" in str(caught.value) or ", graformer" in str(caught.value)


@pytest.mark.parametrize("name", ["", "zzz", "nowhere.yaml", "spaces/nowhere", "spaces"])
def test_a_space_that_is_nowhere_is_answered_with_those_that_are_here(name):
    with pytest.raises(ConfigError, match="graformer"):
        find_space(name)


def test_the_comment_right_above_a_recipe_is_its_note():
    text = GOOD.replace("  small:", "  # What a CPU trains:\n  #   #1 of all.\n  small:", 1)
    assert comments_above(text, "recipes") == {"original": "", "small": "What a CPU trains: 1 of all."}
    assert comments_above(text, "points") == {}
    assert comments_above("- a\n", "recipes") == {}
