"""What the pages of models say that published options are here, exists."""

import argparse
import re

import pytest

from search.__main__ import VERBS
from tests.documents.pages import DOCUMENTED, ROOT, rows_of, section_of, text_of
from trainables.config import knobs_of

ROWS = [
    (model, option, here)
    for model in DOCUMENTED
    for option, here in rows_of(section_of(text_of(ROOT / "docs" / "models" / f"{model}.md"), "Published options"))
]


def flags():
    """Every option of every verb."""
    found = set()
    for verb in VERBS.values():
        parser = argparse.ArgumentParser()
        verb.add_options(parser)
        found |= {flag for action in parser._actions for flag in action.option_strings}
    return found


def test_the_scripts_of_all_models_are_covered():
    assert {model for model, _, _ in ROWS} == set(DOCUMENTED)
    assert len({(model, option) for model, option, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("model", "option", "here"), ROWS)
def test_what_stands_for_a_published_option_exists(model, option, here):
    names = re.findall(r"`([^`]+)`", here)
    for name in names:
        if name.startswith("--"):
            assert name in flags(), name
        elif re.fullmatch(r"\w+\.\w+", name):
            assert name in knobs_of(model), f"{name} is no knob of {model}"
    assert names or here.startswith("gone: "), f"{model} {option}: a knob or the reason"
