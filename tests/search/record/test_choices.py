"""Which options of a scheduler work together, what they are when nobody gives them, and what is refused."""

import itertools

import pytest

from search.decisions.schedulers.choose import scheduler_of
from search.record.options.choices import SCHEDULED, SCHEDULERS, scheduler_problems, scheduler_values
from search.record.plan import begun_by, plan_of
from spaces.errors import ConfigError
from tests.made.sweeps import FACTS, made_plan


def given(**options):
    return {**dict.fromkeys(SCHEDULED), **options}


@pytest.mark.parametrize(
    ("scheduler", "options", "epochs", "found"),
    [
        ("asha", {}, 100, (10, 3, None, 100)),
        ("asha", {}, 5, (1, 3, None, 5)),
        ("asha", {"max_epochs": 50}, 100, (5, 3, None, 50)),
        ("stopping", {"grace": 2, "reduction": 4}, 100, (2, 4, None, 100)),
        ("hyperband", {}, 100, (10, 3, 3, 100)),
        ("hyperband", {}, 3, (1, 3, 1, 3)),
        ("hyperband", {"brackets": 2}, 100, (10, 3, 2, 100)),
        ("median", {}, 40, (4, None, None, 40)),
        ("none", {}, 40, (None, None, None, None)),
    ],
)
def test_what_is_not_given_follows_from_the_length(scheduler, options, epochs, found):
    values = scheduler_values(scheduler, given(**options), epochs)
    assert tuple(values[name] for name in ("grace", "reduction", "brackets", "max_epochs")) == found
    assert not list(scheduler_problems(scheduler, given(**options), epochs))


@pytest.mark.parametrize(
    ("scheduler", "options", "epochs", "problem"),
    [
        (
            *("asha", {"brackets": 2}, 100),
            "--brackets 2: --scheduler asha has no use for it; leave it out, or use --scheduler hyperband",
        ),
        (
            *("median", {"reduction": 4}, 100),
            "--reduction 4: --scheduler median has no use for it; leave it out, or use --scheduler asha",
        ),
        (
            *("none", {"max_epochs": 9}, 100),
            "--max-epochs 9: --scheduler none has no use for it; leave it out, or use --scheduler asha",
        ),
        (
            *("asha", {"grace": 8}, 8),
            "--grace 8: no trial would be judged before epoch 8, its last; give at most 7",
        ),
        (
            *("asha", {"grace": 1}, 1),
            "--grace 1: no trial would be judged before epoch 1, its last; use --scheduler none",
        ),
        (
            *("asha", {"max_epochs": 20}, 8),
            "--max-epochs 20: no trial has more than 8 epochs; give at most 8, or --epochs 20",
        ),
        (
            *("hyperband", {"brackets": 4}, 8),
            "--brackets 4: there is one a rung, and epochs 1 to 8 have 2; give at most 2, or a smaller --grace or "
            "--reduction",
        ),
        (
            *("hyperband", {}, 1),
            "--brackets 1: there is one a rung, and epochs 1 to 1 have 0; use --scheduler none",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_what_does(scheduler, options, epochs, problem):
    assert list(scheduler_problems(scheduler, given(**options), epochs)) == [problem]
    with pytest.raises(ConfigError) as raised:
        made_plan(scheduler=scheduler, epochs=epochs, **options)
    assert problem in str(raised.value)


CHOICES = (None, 1, 2, 5, 30)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_whatever_is_not_refused_has_a_scheduler_and_survives_the_journal(scheduler):
    plans = {}
    for values in itertools.product(CHOICES, (None, 2, 5), (None, 1, 3), (None, 7, 20)):
        options = given(**dict(zip(("grace", "reduction", "brackets", "max_epochs"), values, strict=True)))
        if not list(scheduler_problems(scheduler, options, 20)):
            plans[tuple(scheduler_values(scheduler, options, 20).items())] = options
    assert plans
    for found, options in itertools.islice(plans.items(), 4):
        sampler = "none" if scheduler == "pbt" else "tpe"
        plan = made_plan(scheduler=scheduler, sampler=sampler, epochs=20, **options)
        scheduler_of(plan).replay([])
        assert {name: getattr(plan.sweep, name) for name in SCHEDULED} == dict(found)
        assert plan_of(begun_by(plan, "x", FACTS), "here").sweep == plan.sweep


def test_all_problems_come_at_once():
    with pytest.raises(ConfigError) as raised:
        made_plan(scheduler="median", epochs=8, grace=9, reduction=2, brackets=2, max_epochs=30)
    text = str(raised.value)
    assert all(option in text for option in ("--reduction 2", "--brackets 2", "--max-epochs 30"))
