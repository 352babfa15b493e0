"""Names of sweeps that nobody chose: two that begin at the same moment both begin."""

import threading

import pytest

from search.cli.command import Where
from search.sweep.place import Place
from search.sweep.run import begin
from spaces.errors import ConfigError
from tests.made.sweeps import FACTS, made_plan


def place_of(folder):
    return Place(folder=folder, tracking_uri="sqlite:///m.db", artifact_root=folder.parent, where=Where())


def begun(tmp_path, **options):
    plan = made_plan("graformer-1")
    return begin(plan, FACTS, place_of(tmp_path / plan.name), **options)


def test_of_two_sweeps_with_one_default_name_one_gets_the_next(tmp_path):
    first, second = begun(tmp_path, is_named=False), begun(tmp_path, is_named=False)
    assert [one.path.parent.name for one in (first, second)] == ["graformer-1", "graformer-2"]
    assert [one.sweep.name for one in (first, second)] == ["graformer-1", "graformer-2"]


def test_sweeps_that_begin_at_once_all_get_a_name(tmp_path):
    gate, found = threading.Barrier(6), []

    def run():
        gate.wait()
        found.append(begun(tmp_path, is_named=False).sweep.name)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"graformer-{number}" for number in range(1, 7)]


def test_a_chosen_name_is_never_changed(tmp_path):
    begun(tmp_path)
    with pytest.raises(ConfigError):
        begun(tmp_path)
