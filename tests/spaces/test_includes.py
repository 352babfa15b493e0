"""Spaces that include others: which entry wins, and what is wrong with an include."""

import itertools

import pytest

from spaces.errors import ConfigError
from spaces.space import FOLDER, Choice, Float, parse_space, read_draft, read_space
from spaces.yaml_text import parse_yaml
from trainables.config import knobs_of

BELOW = """
model: graformer
objective: val/p_mpjpe_mm
recipes:
  original: {optim.lr: 1e-3, network.heads: 4}
  small: {optim.lr: 2e-3, network.heads: 2}
base: {data.frames: 1, optim.clip: 1.0}
search:
  optim.lr: {log: [1e-4, 3e-3]}
  network.heads: {choice: [1, 2, 4]}
  network.layers: {range: [2, 8]}
narrow:
  small: {optim.lr: {log: [1e-3, 2e-3]}, network.layers: {range: [2, 3]}}
points: [{optim.lr: 2e-4}]
"""


@pytest.fixture
def put(tmp_path):
    """Writes space files and returns the first."""

    def put(**files):
        for name, text in files.items():
            path = tmp_path / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path / f"{next(iter(files))}.yaml"

    return put


def told(path):
    """The faults of a space file, of an include or of its structure."""
    with pytest.raises(ConfigError) as caught:
        read_space(path)
    return list(caught.value.problems)


def test_an_included_space_is_there_knob_by_knob(put):
    mine = put(mine="include: below.yaml\nsearch: {network.dropout: {range: [0.0, 0.5]}}\n", below=BELOW)
    found, below = read_space(mine), read_space(mine.with_name("below.yaml"))
    assert found.search == {**below.search, "network.dropout": Float(0.0, 0.5)}
    assert (found.model, found.objective, found.recipes) == (below.model, below.objective, below.recipes)
    assert (found.base, found.narrow, found.points) == (below.base, below.narrow, below.points)


def test_its_own_entries_win(put):
    mine = put(
        mine="""
include: below.yaml
objective: val/mpjpe_mm
recipes:
  mine: {optim.lr: 5e-4}
  small: {optim.lr: 4e-3}
base: {network.heads: 8}
search:
  optim.lr: {choice: [1e-3, 1e-2]}
  optim.clip: {choice: [1, 2]}
  network.layers:
points: [{optim.clip: 2}]
""",
        below=BELOW,
    )
    found = read_space(mine)
    assert found.objective == "val/mpjpe_mm"
    assert list(found.recipes) == ["mine", "small", "original"]  # the first is the default
    # A knob fixed here is no longer set by recipes below; one searched here is no longer narrowed, and where it was
    # fixed, trial 0 has that value.
    assert found.recipes["mine"] == {"optim.lr": "5e-4", "optim.clip": 1.0}
    assert found.recipes["small"] == {"optim.lr": "4e-3", "optim.clip": 1.0}
    assert found.recipes["original"] == {"optim.lr": "1e-3", "optim.clip": 1.0}
    assert found.base == {"data.frames": 1, "network.heads": 8}
    assert found.search == {"optim.lr": Choice(("1e-3", "1e-2")), "optim.clip": Choice((1, 2))}
    assert "optim.lr" not in found.narrow["small"]
    assert found.points == ({"optim.clip": 2},)


def test_a_space_without_recipes_keeps_what_its_includes_fix_for_trial_0(put):
    below = "model: graformer\nbase: {optim.clip: 3, network.layers: 2}\nsearch: {optim.lr: {range: [0.1, 0.2]}}\n"
    mine = put(mine="include: below.yaml\nsearch: {optim.clip: {range: [0, 5]}, network.layers: }\n", below=below)
    with pytest.raises(ConfigError, match=r"search\.network\.layers: expected one of"):  # it is not searched below
        read_space(mine)
    mine.write_text(mine.read_text().replace(", network.layers: ", ""))
    found = read_space(mine)
    assert found.base == {"network.layers": 2}
    assert found.fixed("default") == {"network.layers": 2, "optim.clip": 3}


def test_of_several_the_later_wins_and_a_model_is_one(put):
    mine = put(
        mine="include: [graformer, sub/one.yaml, sub/two.yaml]\n",
        **{
            "sub/one": "base: {optim.clip: 3, optim.beta1: 0.8}\n",
            "sub/two": "include: one.yaml\nbase: {optim.clip: 4}\n",
        },
    )
    found, graformer = read_space(mine), read_space(FOLDER / "graformer.yaml")
    assert found.base == {**graformer.base, "optim.clip": 4, "optim.beta1": 0.8}
    assert found.search == {path: one for path, one in graformer.search.items() if path != "optim.clip"}
    assert found.check(knobs_of("graformer")) == []


def test_the_text_of_a_space_includes_nothing(put):
    mine = put(mine="include: below.yaml\nbase: {network.heads: 2}\n", below=BELOW)
    draft = read_draft(mine)
    below = mine.with_name("below.yaml")
    below.unlink()
    again = parse_space(parse_yaml(draft.text, str(mine)), str(mine))
    assert again == draft.space
    below.write_text(BELOW)
    assert read_draft(below).text == BELOW  # without includes it is the file's, remarks and all


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"mine": "include: nowhere.yaml"}, ["include: nowhere.yaml: there is no such file in ", "models: "]),
        ({"mine": "include: grafomer"}, ["include: grafomer: there is no such file in ", "did you mean graformer?"]),
        ({"mine": "include: 3"}, ["include needs a model or a path to a YAML file, found 3"]),
        ({"mine": "include: {a: b}"}, ["include needs a model or a path to a YAML file, found {"]),
        (
            {"mine": "include: mine.yaml"},
            ["include: mine.yaml -> mine.yaml: these files include each other in a circle"],
        ),
        (
            {"mine": "include: one.yaml", "one": "include: two.yaml", "two": "include: [graformer, one.yaml]"},
            ["include: one.yaml -> two.yaml -> one.yaml: these files include each other in a circle"],
        ),
        ({"mine": "include: one.yaml", "one": "- 1"}, ["one.yaml: is no space, which is a mapping"]),
        ({"mine": "include: one.yaml", "one": "a: [1"}, ["one.yaml: is not valid YAML"]),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_wrong_include_is_refused(put, files, words):
    (found,) = told(put(**files))
    assert all(word in found for word in words), found


def test_all_faults_come_at_once_and_what_an_include_may_have_is_not_missed(put):
    found = told(put(mine="include: [nowhere.yaml, gone.yaml]\nsearch: {optim.lr: 3}\n"))
    assert [one.split(":")[0] for one in found] == ["include", "include", "search.optim.lr"]


def test_many_includes_of_the_same_are_read_once(put):
    assert read_space(put(**nested(20))).model == "graformer"  # else a million


def test_includes_end_somewhere(put):
    (found,) = told(put(**nested(22)))
    assert found == "include: s21.yaml: files include each other more than 20 deep"


def nested(levels):
    """Files of which each includes the next one twice."""
    names = [f"s{level}" for level in range(levels + 1)]
    files = {name: f"include: [{below}.yaml, {below}.yaml]\n" for name, below in itertools.pairwise(names)}
    return {**files, names[-1]: BELOW}
