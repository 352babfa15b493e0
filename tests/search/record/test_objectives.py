"""Objectives and limits as users type them, and what is refused before anything starts."""

import pytest

from search.record.options.objectives import limits_of, names_in, primary_of, read_limit
from search.record.plan import SweepConfig, begun_by, plan_of
from search.record.records import CostRow, MisfitError
from spaces.errors import ConfigError
from spaces.schema import load
from spaces.space import parse_space
from tests.made.sweeps import FACTS, OBJECTIVE, made_plan


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("val/mpjpe_mm,latency", "names 'latency', which is no metric or cost; did you mean latency_ms?"),
        ("val/mpjpe_mm,", "has an empty name"),
        ("parameters,macs", "names costs alone; add an error"),
        ("macs,val/mpjpe_mm,macs", "names macs 2 times"),
    ],
)
def test_wrong_objectives_are_one_error_that_lists_what_is_allowed(text, fault):
    with pytest.raises(ConfigError) as caught:
        load(SweepConfig, {"objective": text}, "launch")
    (problem,) = caught.value.problems
    assert problem.startswith(f"objective = {text} {fault}")
    assert "times" in fault or "val/p_mpjpe_mm" in problem


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("latency_ms<5", "'latency_ms<5' is no limit; write it as 'latency_ms<=5'"),
        ("latency<=5", "did you mean latency_ms?"),
        ("macs<=many", "needs a number after <="),
        ("macs<=nan", "needs a number after <="),
        ("macs<=", "is no limit"),
    ],
)
def test_wrong_limits_are_refused_with_what_is_right(text, fault):
    with pytest.raises(ConfigError, match=r"limit = ") as caught:
        load(SweepConfig, {"limit": [text]}, "launch")
    assert fault in str(caught.value)


def test_all_wrong_limits_are_told_at_once_and_a_metric_has_one():
    with pytest.raises(ConfigError) as caught:
        load(SweepConfig, {"limit": ["macs<=5", "macs<=6", "x<=1"]}, "launch")
    assert "macs is limited by 'macs<=5' already" in str(caught.value)
    assert "names 'x'" in str(caught.value)


def test_a_limit_is_a_number_of_any_spelling_and_breaks_in_its_own_units():
    assert [read_limit(text).text for text in ("macs <= 1e6", "latency_ms<=.5")] == ["macs<=1000000", "latency_ms<=0.5"]
    assert read_limit("macs<=200").excess(300.0) == 0.5
    assert read_limit("macs<=0").excess(3.0) == 3.0
    assert limits_of(()) == ()


def test_the_first_error_selects_the_best_epoch_wherever_it_stands():
    plan = made_plan(objective="latency_ms, val/p_mpjpe_mm,val/mpjpe_mm")
    assert plan.sweep.objectives == ("latency_ms", "val/p_mpjpe_mm", "val/mpjpe_mm")
    assert plan.sweep.objective == "latency_ms,val/p_mpjpe_mm,val/mpjpe_mm"
    assert plan.sweep.primary == plan.base.loop.select == "val/p_mpjpe_mm"
    assert (names_in("a"), primary_of("macs,a")) == (("a",), "a")


def test_a_plan_with_objectives_and_limits_comes_back_from_its_record():
    plan = made_plan(objective="val/mpjpe_mm,macs", limit=("macs<=5", "latency_ms<=2"))
    row = begun_by(plan, "x", FACTS)
    assert (row.objective, row.objectives) == (OBJECTIVE, (OBJECTIVE, "macs"))
    assert [limit.text for limit in row.limits] == ["macs<=5", "latency_ms<=2"]
    assert plan_of(row, "journal").sweep == plan.sweep
    older = {name: value for name, value in row.plan.items() if name != "limit"}
    assert plan_of(type(row).from_record({**row.to_record(), "plan": older}), "journal").sweep.limit == ()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"scheduler": "median"}, "--scheduler median judges by one objective, not 2; stopping takes several"),
        ({"sampler": "cmaes"}, "--sampler cmaes takes one objective, not 2; nsga2 takes several"),
        (
            {"keep": "best"},
            "--keep best keeps the weights of one trial, and 2 objectives have many best ones; use last",
        ),
        ({"objective": "val/mpjpe_mm,val/mpvpe_mm"}, "val/mpvpe_mm: is no metric of graformer; it has val/mpjpe_mm"),
    ],
)
def test_what_cannot_work_with_several_objectives_is_refused_with_what_does(options, problem):
    with pytest.raises(ConfigError) as caught:
        made_plan(**{"objective": "val/mpjpe_mm,macs", **options})
    assert any(one.startswith(problem) for one in caught.value.problems), caught.value.problems


def test_a_sampler_that_knows_no_limits_is_refused():
    with pytest.raises(ConfigError, match=r"--sampler cmaes knows no limits.*; tpe knows them"):
        made_plan(sampler="cmaes", limit=("macs<=5",))
    for name in ("tpe", "gp", "nsga2", "qmc", "random", "grid"):
        assert made_plan(sampler=name, limit=("macs<=5",)).sweep.limits[0].most == 5


def test_a_limit_on_a_metric_that_the_model_lacks_is_refused():
    with pytest.raises(ConfigError, match="val/mpvpe_mm: is no metric of graformer"):
        made_plan(limit=("val/mpvpe_mm<=5",))


def space(**sections):
    return {"model": "graformer", "search": {"optim.lr": {"log": [1e-4, 1e-2]}}, **sections}


def test_a_space_names_several_objectives_as_a_list_or_a_text_and_limits_too():
    for value in (["val/mpjpe_mm", "macs"], "val/mpjpe_mm,macs"):
        assert parse_space(space(objective=value), "here").objective == "val/mpjpe_mm,macs"
    assert parse_space(space(limits=["macs<=5", "latency_ms<=2"]), "here").limits == ("macs<=5", "latency_ms<=2")
    assert parse_space(space(limits="macs<=5"), "here").limits == ("macs<=5",)
    assert (parse_space(space(), "here").objective, parse_space(space(), "here").limits) == (OBJECTIVE, ())
    with pytest.raises(ConfigError) as caught:
        parse_space(space(objective=[1], limits={"macs": 5}), "here")
    assert [one.split(" must")[0] for one in caught.value.problems] == ["objective", "limits"]


def test_a_record_of_costs_must_hold_numbers():
    row = CostRow(trial=1, costs={"macs": 5.0})
    assert CostRow.from_record(row.to_record()) == row
    with pytest.raises(MisfitError):
        CostRow.from_record({"kind": "cost", "trial": 1, "costs": {"macs": "many"}})
