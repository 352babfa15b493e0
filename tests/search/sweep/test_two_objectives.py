"""A sweep of two objectives with a limit on a local Ray, as a user runs it."""

import json
import re

import pytest

from search.record.journal import trial_folder
from tests.made.commands import LINE, journal_of, launch, new_home, places, run
from tests.made.small import tiny_config
from tests.made.sweeps import OBJECTIVE
from trainables import registry
from trainables.devices.cpus import num_cpus
from trainables.engines.engine import build_network

pytestmark = pytest.mark.ray

SPACE = """
model: graformer
objective: [val/mpjpe_mm, parameters]
recipes: {mine: {network.layers: 1}}
search: {network.layers: {choice: [1, 2, 3]}}
"""


def size_of(root, layers):
    network = build_network(registry.get("graformer"), tiny_config(root, network__layers=layers))
    return sum(parameter.numel() for parameter in network.parameters())


def test_a_sweep_of_error_and_size_measures_each_trial_ends_large_ones_and_shows_its_front(tmp_path, empty_store):
    home = new_home(tmp_path, empty_store)
    (home / "space.yaml").write_text(SPACE)
    most = size_of(home / "store", 2)
    line = launch(home, "two", "--trials", "3", "--epochs", "2", "--sampler", "grid")
    at = line.index("network.layers=1")
    del line[at - 1 : at + 1]
    line[line.index("graformer")], line[line.index("small")] = str(home / "space.yaml"), "mine"
    done = run([*line, "--limit", f"parameters<={most}", "--limit", "latency_ms<=1000"])
    assert done.returncode == 0, done.stdout + done.stderr
    trials = {trial.knob("network.layers"): trial for trial in journal_of(home, "two").trials.values()}
    assert trials.keys() == {1, 2, 3}
    for layers, trial in trials.items():
        assert trial.costs.keys() == {"parameters", "latency_ms", "latency_ms_spread"}
        assert trial.costs["parameters"] == size_of(home / "store", layers)
        assert 0 < trial.costs["latency_ms"] < 1000
    # Two at a time by default here, however short they are: no process has to start for the third.
    heads = [(trial_folder(home / "sweeps" / "two", trial.number) / "log.txt").read_text() for trial in trials.values()]
    assert len({re.search(r"process (\d+)", head).group(1) for head in heads}) == min(2, num_cpus())
    large = trials[3]
    assert (large.state, large.last_epoch) == ("pruned", 0)
    assert large.reason == f"limit parameters<={most}: parameters is {large.costs['parameters']:.6g}"
    assert [trials[layers].measured(OBJECTIVE) is not None for layers in (1, 2)] == [True, True]
    shown = json.loads(run([*LINE, "show", "two", "--json", *places(home)]).stdout)
    assert shown["objectives"] == [OBJECTIVE, "parameters"]
    assert trials[1].number in shown["front"]
    assert f"; on the front are {len(shown['front'])} trials" in done.stdout
