"""The space in docs/sweeps.md, and its tables, against what spaces are."""

import pytest

from search.record.plan import SweepConfig, make_plan
from spaces.domain_text import read_domain
from spaces.domains import Choice, Float, Grid, Int, Normal
from spaces.space import SECTIONS, find_space, read_draft, read_space
from spaces.yaml_text import parse_yaml
from tests.documents.pages import ROOT, blocks_of, rows_of, section_of, text_of

SECTION = section_of(text_of(ROOT / "docs" / "sweeps.md"), "Spaces")
(EXAMPLE,) = [block for block in blocks_of(SECTION) if block.startswith("include:")]
DOMAINS = [row[0].strip("`") for row in rows_of(SECTION) if row[0].startswith("`{")]


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(EXAMPLE)
    return path


def test_the_example_is_a_space_and_makes_a_sweep(mine):
    assert read_draft(mine).faults == ()
    plan = make_plan("first", SweepConfig(), str(mine), {"data.name": "tiny"})
    assert plan.sweep.recipe == "mine"
    assert (plan.base.loop.epochs, plan.base.optim.clip) == (30, 1.0)
    assert plan.points == (
        {},
        {"optim.lr": 2e-3, "network.width": 96},
        {"optim.lr_decay_by": "epochs", "optim.lr_decay": 0.95},
    )
    graformer = read_space(find_space("graformer"))
    assert plan.domains.keys() - graformer.search.keys() == {"optim.lr_decay_by"}
    assert graformer.search.keys() - plan.domains.keys() == {"optim.weight_decay", "optim.clip"}
    assert {type(domain) for domain in plan.domains.values()} == {Choice, Float, Grid, Int, Normal}
    assert "optim.lr_decay_steps" in plan.active({"optim.lr_decay_by": "steps", "optim.lr_decay_steps": 5})
    assert "optim.lr_decay_steps" not in plan.active({"optim.lr_decay_by": "epochs", "optim.lr_decay_steps": 5})


def test_the_tables_have_every_part_and_every_domain():
    named = {word for row in rows_of(SECTION) for word in row[0].replace("`", "").split(", ")}
    assert set(SECTIONS) <= named
    numbers = {"low": "1", "high": "5", "mean": "3", "deviation": "1", "median": "1", "factor": "2"}
    for text in DOMAINS:
        for word, number in numbers.items():
            text = text.replace(word, number)
        read_domain(parse_yaml(text, "sweeps.md"))
    assert len(DOMAINS) == 6
