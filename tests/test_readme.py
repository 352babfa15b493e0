"""The README's tables against what they describe."""

import re
from pathlib import Path

from search.__main__ import VERBS
from trainables import registry
from trainables.config import knobs_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_knobs_is_that_of_the_config():
    for model in registry.names():
        for path, knob in knobs_of(model).items():
            if path == "model":
                continue
            default = knob.default if knob.default not in ((), "") else ""
            unit = f" {knob.unit}" if knob.unit else ""
            row = f"| `{path}` | {default} | {knob.allowed}{unit} | {knob.help} |"
            assert row in README, row


def test_every_requirement_has_its_reason():
    for file in ("requirements.txt", "tests/requirements.txt"):
        for line in (ROOT / file).read_text().splitlines():
            name = re.split(r"[=\[]", line)[0]
            if line and not line.startswith("#"):
                assert re.search(rf"^\|[^|]*\b{re.escape(name)}\b[^|]*\|", README, re.MULTILINE), name


def test_every_verb_is_described():
    for verb in VERBS:
        assert re.search(rf"`[^`]*\b{verb}\b[^`]*`", README), verb
