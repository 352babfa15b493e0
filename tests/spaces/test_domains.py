"""Values of domains: the nearest to any value, and the quantiles of normal ones."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.domain_text import entry_of, entry_text, read_domain
from spaces.domains import Choice, Float, Grid, Int, Normal, nearest

DOMAINS = {
    "float": Float(0.0, 0.5),
    "float-log": Float(1e-4, 1e-2, log=True),
    "float-step": Float(0.1, 0.9, step=0.1),
    "float-log-step": Float(0.05, 1.0, log=True, step=0.05),
    "int": Int(2, 9),
    "int-huge": Int(1, 2**62 + 1),
    "int-step": Int(16, 512, step=16),
    "int-log-step": Int(16, 512, step=16, log=True),
    "choice": Choice((1, 2, 4)),
    "choice-mixed": Choice((None, "max", (3, 5), True)),
    "grid": Grid((1, 3, 10)),
    "normal": read_domain({"normal": [0.25, 0.03]}),
    "normal-cut": read_domain({"normal": [0, 1], "low": 0.123456789012, "high": 3.9}),
    "normal-step": read_domain({"normal": [4, 2], "low": 1, "high": 8, "step": 1}),
    "normal-far": read_domain({"normal": [1e9, 1.5]}),
    "lognormal": read_domain({"lognormal": [1e-3, 3]}),
    "lognormal-wide": read_domain({"lognormal": [1, 1e6]}),
}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("float", 0.7, 0.5),
        ("float", -1, 0.0),
        ("float", 0.3, 0.3),
        ("float", None, 0.25),
        ("float-log", "fast", 1e-3),
        ("float-step", 0.31, 0.3),
        ("float-step", 0.3, 0.3),
        ("float-log-step", 0.07, 0.05),
        ("int", 3.6, 4),
        ("int", 99, 9),
        ("int-huge", 2**62 - 1, 2**62 - 1),
        ("int-step", 100, 96),
        ("int-log-step", 1, 16),
        ("choice", 3.9, 4),
        ("choice", "mean", 1),
        ("choice", True, 1),
        ("choice-mixed", [3, 5], (3, 5)),
        ("choice-mixed", 1, None),
        ("grid", 7, 10),
        ("grid", None, 3),
        ("normal", 9.0, 0.37),
        ("normal-step", 3.2, 3),
        ("lognormal", 0.0, 1e-3 / 81),
    ],
)
def test_the_nearest_value_of_a_domain(name, value, found):
    value = nearest(DOMAINS[name], value)
    assert value == (found if not isinstance(found, float) else pytest.approx(found, rel=1e-12))
    assert type(value) is type(found)


def test_a_value_of_a_domain_is_its_own_nearest_to_the_last_bit():
    assert [nearest(DOMAINS["float-step"], 0.1 * k) for k in range(1, 10)] == [
        *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    ]
    for domain in DOMAINS.values():
        for value in (nearest(domain, one) for one in (0.3, 5, 1e-3, 200)):
            assert nearest(domain, value) == value


@pytest.mark.parametrize("name", [name for name in DOMAINS if "normal" in name])
@given(share=st.floats(0, 1))
def test_a_quantile_of_a_normal_domain_is_found_again(name, share):
    domain = DOMAINS[name]
    value = domain.at(share)
    assert domain.low <= value <= domain.high
    again = domain.share_of(value)
    assert 0 <= again <= 1
    assert domain.at(again) == value


def test_quantiles_are_those_of_the_normal_distribution():
    normal, plain = DOMAINS["normal"], NormalDist(0.25, 0.03)
    for share in (0.01, 0.1, 0.5, 0.84, 0.99):
        assert normal.at(share) == pytest.approx(plain.inv_cdf(share), abs=1e-4)  # four deviations are nearly all
    cut = DOMAINS["normal-cut"]
    assert cut.at(0.5) == pytest.approx(NormalDist().inv_cdf((NormalDist().cdf(cut.low) + NormalDist().cdf(3.9)) / 2))
    lognormal = DOMAINS["lognormal"]
    assert lognormal.at(0.5) == pytest.approx(1e-3)
    assert lognormal.at(NormalDist().cdf(1)) == pytest.approx(3e-3, rel=1e-3)
    assert isinstance(lognormal, Normal)
    assert math.isclose(lognormal.share, 1 - 6.334e-5, rel_tol=1e-7)


@pytest.mark.parametrize("name", DOMAINS)
def test_an_entry_is_read_as_the_domain_that_it_was_made_of(name):
    assert read_domain(entry_of(DOMAINS[name])) == DOMAINS[name]


@pytest.mark.parametrize(
    ("name", "when", "text"),
    [
        ("float-log", None, "log [0.0001, 0.01]"),
        ("int-step", {}, "range [16, 512], step 16"),
        ("choice-mixed", None, "choice [none, max, [3, 5], true]"),
        ("int", {"network.norm": ("batch", "layer")}, "range [2, 9] when network.norm = batch or layer"),
        ("grid", {"a.b": (True,), "c.d": (2,)}, "grid [1, 3, 10] when a.b = true and c.d = 2"),
    ],
)
def test_an_entry_has_a_text(name, when, text):
    assert entry_text(entry_of(DOMAINS[name]), when) == text
