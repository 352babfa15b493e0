"""The README against what it describes."""

import re

from search.__main__ import VERBS
from spaces.commands import OPTIONAL
from tests.documents.pages import README, ROOT, commands_of, rows_of, section_of, text_of

TEXT = text_of(README)
MOST_LINES = 150


def test_it_is_short():
    assert len(TEXT.splitlines()) <= MOST_LINES


def test_every_requirement_has_its_reason():
    table = rows_of(section_of(TEXT, "Dependencies"))
    rows = {name: reason for names, reason in table for name in re.findall(r"[\w.-]+", names)}
    for file in ("requirements.txt", "requirements-detect.txt", "tests/requirements.txt"):
        for line in (ROOT / file).read_text().splitlines():
            name = re.split(r"[=\[]", line)[0]
            if line and not line.startswith("#"):
                assert rows.get(name), f"{name} has no row with its reason"


def test_what_detection_needs_is_pinned_in_one_version():
    lines = (ROOT / "requirements-detect.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [f"onnxruntime=={OPTIONAL['onnxruntime']}"]
    assert f"onnxruntime=={OPTIONAL['onnxruntime']}" in (ROOT / "tests" / "requirements.txt").read_text().splitlines()


def test_every_verb_is_in_the_table():
    named = " ".join(row[0] for row in rows_of(section_of(TEXT, "Commands")))
    for verb in VERBS:
        assert re.search(rf"`[^`]*\b{verb}\b[^`]*`", named), verb


def test_every_target_that_it_names_is_in_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", TEXT))
    assert {"sweep", "test", "docs"} <= named <= targets, named


def test_ci_runs_the_test_command_of_the_readme():
    assert "`.ci/run` calls exactly `make test`" in TEXT.replace("\n", " ")
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_there_is_a_session():
    assert len(commands_of(TEXT)) >= 5
