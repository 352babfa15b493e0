"""Options from Python: the names, defaults and checks of the command line."""

from pathlib import Path

import numpy as np
import pytest

import search
from search.__main__ import VERBS
from search.notebook.options import request_of
from search.notebook.sweep import launch
from spaces.errors import ConfigError
from tests.made.sweeps import FOUR_POINTS, files_below


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory that is not the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(**options):
    return request_of("launch", VERBS["launch"], "graformer", {"recipe": "small", **options})


def problems_of(**options):
    with pytest.raises(ConfigError) as caught:
        asked(**options)
    return caught.value.problems


def test_without_options_the_defaults_are_those_of_the_command_line():
    ours, words = asked()
    theirs = VERBS["launch"].check(_parsed(["graformer", "--recipe", "small"]))
    assert ours == theirs
    assert words == ("launch", "graformer", "--recipe=small")


def _parsed(words):
    import argparse

    parser = argparse.ArgumentParser()
    VERBS["launch"].add_options(parser)
    return parser.parse_args(words)


def test_numbers_paths_lists_and_mappings_are_taken(here):
    request, words = asked(
        trials=7,
        epochs=np.int64(3),
        time_budget=90,
        gpus_per_worker=0.5,
        storage=Path("kept"),
        data_root=here / "store",
        concurrent=None,
        set={"optim.clip": 1e-7, "data.actions": ["Walking", "Eating"], "data.flip": True, "data.subset": 0.5},
    )
    plan = request.plan
    assert (plan.sweep.trials, plan.base.loop.epochs, plan.sweep.time_budget_s) == (7, 3, 90.0)
    assert (plan.sweep.gpus_per_worker, plan.sweep.concurrent) == (0.5, None)
    assert request.folder == here / "kept" / "graformer-1"
    assert plan.base.data.root == str(here / "store")
    assert (plan.base.optim.clip, plan.base.data.actions) == (1e-7, ("Walking", "Eating"))
    assert (plan.base.data.flip, plan.base.data.subset) == (True, 0.5)
    assert "--set=data.flip=true" in words
    assert "--concurrent=None" not in words


def test_options_that_may_be_given_again_take_lists(here):
    request, _ = asked(storage=["kept", "ftp://host/sweeps"], set=["optim.clip=2", "data.subset=0.5"])
    assert (request.folder.parent, request.plan.sweep.checkpoints) == (here / "kept", "ftp://host/sweeps")
    assert (request.plan.base.optim.clip, request.plan.base.data.subset) == (2.0, 0.5)


def test_a_space_may_be_a_path(here):
    (here / "-my space.yaml").write_text(FOUR_POINTS)
    request, _ = request_of("launch", VERBS["launch"], Path("-my space.yaml"), {})
    assert set(request.plan.domains) == {"network.width", "network.layers"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"trails": 3}, "trails: no such option of launch; did you mean trials?"),
        ({"xyz": 3}, "xyz: no such option of launch; options: data, data_root, recipe, trials"),
        ({"trials": "many"}, "trials = many: expected int, got text 'many'"),
        ({"trials": {"a": 1}}, "trials = "),
        ({"set": {"optim.lrr": 1}}, "optim.lrr: no such knob; did you mean optim.lr?"),
        ({"set": "optim.lr"}, "--set: 'optim.lr' has no '='"),
        ({"storage": "a\nb"}, "argument --storage: 'a\\nb' is no folder"),
        ({"seed": float("nan")}, "seed = nan: expected int"),
    ],
    ids=str,
)
def test_a_wrong_option_is_told(options, expected):
    assert any(problem.startswith(expected) for problem in problems_of(**options))


def test_all_problems_come_at_once_and_nothing_is_written(here):
    before = files_below(here)
    with pytest.raises(search.ConfigError) as caught:
        launch("graformer", recipe="smal", trails=3, sampler="tpee", set={"optim.lr": -1})
    text = str(caught.value)
    for part in ("no such option of launch; did you mean trials?", "no recipe 'smal'; did you mean small?",
                 "sampler = tpee: not allowed", "optim.lr = -1: out of bounds"):  # fmt: skip
        assert part in text
    assert files_below(here) == before


def test_a_flag_takes_a_truth_value():
    def options(**given):
        return request_of("clean", VERBS["clean"], "", given)[0]

    with pytest.raises(ConfigError, match="yes = later: expected True or False"):
        options(yes="later")
