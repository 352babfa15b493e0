"""What the README says that published options are here, exists."""

import argparse
import re
from pathlib import Path

import pytest

from search.__main__ import VERBS
from trainables import registry
from trainables.config import knobs_of

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Published options")[1].split("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.startswith("| ")]
ROWS = [row for row in ROWS if row[0] not in ("script", "---")]


def flags():
    """Every option of every verb."""
    found = set()
    for verb in VERBS.values():
        parser = argparse.ArgumentParser()
        verb.add_options(parser)
        found |= {flag for action in parser._actions for flag in action.option_strings}
    return found


def test_the_scripts_of_all_four_models_are_covered():
    assert {row[0] for row in ROWS} == {"GraFormer", "PoseFormer", "SGraFormer", "Mesh Graphormer"}
    assert len({(row[0], row[1]) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("script", "option", "here"), ROWS)
def test_what_stands_for_a_published_option_exists(script, option, here):
    knobs = {path for model in registry.names() for path in knobs_of(model)}
    names = re.findall(r"`([^`]+)`", here)
    for name in names:
        if name.startswith("--"):
            assert name in flags(), name
        elif re.fullmatch(r"\w+\.\w+", name):
            assert name in knobs, name
    assert names or here.startswith("gone: "), f"{script} {option}: a knob or the reason"
