"""Networks that no memory holds are refused before they are built."""

import time

import pytest

from spaces.errors import ConfigError
from spaces.schema import LARGEST_SIZE, MOST_LAYERS, type_name
from spaces.space import find_space, read_space
from tests.made.small import tiny_config, write_tiny
from trainables import registry
from trainables.config import default_config, knobs_of
from trainables.runs import size
from trainables.runs.demands import check_run


def published(name, **changes):
    space = read_space(find_space(name))
    return default_config(name, {**space.fixed(next(iter(space.recipes))), **changes}, name)


@pytest.mark.parametrize("name", registry.names())
def test_published_networks_fit_a_machine_of_16_gib(name, monkeypatch):
    monkeypatch.setattr(size, "memory_here", lambda: 16 * size.GIB)
    assert size.size_problems(published(name)) == []


@pytest.mark.parametrize("name", registry.names())
def test_published_networks_do_not_fit_a_hundred_kilobytes(name, monkeypatch):
    monkeypatch.setattr(size, "memory_here", lambda: 100_000)
    (problem,) = size.size_problems(published(name))
    assert "makes a network that takes more memory to train than there is" in problem


@pytest.mark.parametrize(
    ("path", "value"), [("network.width", LARGEST_SIZE), ("network.layers", MOST_LAYERS), ("network.width", 10**4)]
)
def test_the_knob_that_makes_a_network_large_is_named_at_once(path, value, monkeypatch):
    monkeypatch.setattr(size, "memory_here", lambda: 16 * size.GIB)
    started = time.perf_counter()
    (problem,) = size.size_problems(published("graformer", **{path: value}))
    assert problem.startswith(f"{path} = {value}: makes a network")
    assert time.perf_counter() - started < 60  # a second, where nothing else runs


def test_a_run_is_checked_unless_it_runs_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(size, "memory_here", lambda: size.GIB)
    config = tiny_config(write_tiny(tmp_path), network__width=10**4)
    with pytest.raises(ConfigError, match=r"network\.width = 10000: makes a network"):
        check_run(config, is_fresh=True)
    check_run(config, is_fresh=True, is_here=False)


@pytest.mark.parametrize("name", registry.names())
def test_no_whole_number_of_a_network_is_without_bound(name):
    found = knobs_of(name)
    sizes = [
        one
        for path, one in found.items()
        if path.startswith("network.") and type_name(one.type).split(" ")[-1] == "int"
    ]
    assert all(one.most is not None and one.most <= LARGEST_SIZE for one in sizes), sizes
