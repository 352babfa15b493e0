"""--storage: a URI is honoured where checkpoints are kept, and refused where it would say nothing."""

import json
from functools import partial
from pathlib import Path

import pytest
from fsspec.registry import known_implementations

from search.__main__ import VERBS
from search.cli.storage import STORES
from search.executors.mirror import check_store
from search.record.journal import FILE
from spaces.cli import BAD_INPUT, OK
from spaces.errors import ConfigError
from spaces.schema import dump
from tests.made.sweeps import answer_of, book, files_below, made_journal, made_plan
from tests.search.cli.test_printed import taken


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def near(tmp_path, monkeypatch):
    """A working directory with a sweep whose checkpoints are in its folder, and one that keeps them at a URI."""
    monkeypatch.chdir(tmp_path)
    for name, uri in (("near", ""), ("far", "local:///bucket")):
        plan = made_plan(name, checkpoints=uri)
        journal = made_journal(Path("mlruns/sweeps"), plan)
        book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
        journal.unlock()
    return tmp_path


def line(*words):
    return ["python", "-m", "search", *words]


def test_every_kind_of_store_is_known_to_fsspec():
    assert set(STORES) <= set(known_implementations)


def test_a_folder_and_a_uri_may_be_given_together(tmp_path):
    for words in ([tmp_path, "local:///b"], ["local:///b", tmp_path]):
        given = [word for one in words for word in ("--storage", str(one))]
        request = taken(line("launch", "graformer", "--recipe", "small", *given))
        assert request.folder.parent == tmp_path
        assert request.plan.sweep.checkpoints == "local:///b"


def test_confirm_keeps_its_checkpoints_at_a_uri(near):
    Path("c.yaml").write_text(dump(made_plan().base), encoding="utf-8")
    assert taken(line("confirm", "c.yaml", "--storage", "local:///b")).plan.sweep.checkpoints == "local:///b"


UNKNOWN = ["launch graformer", "list", "show near", "resume near", "export near --out b.yaml", "sync near", "doctor"]


@pytest.mark.parametrize("words", UNKNOWN)
def test_an_unknown_kind_of_store_is_named_with_those_that_are_allowed(near, answer, words):
    before = files_below(near)
    code, out, err = answer(*words.split(), "--storage", "nope://x")
    assert (code, out) == (BAD_INPUT, "")
    assert all(text in err for text in ("nope://x", "allowed: a folder, or ", "s3://")), err
    assert files_below(near) == before


def test_a_missing_driver_is_told_before_anything_starts(near, answer, monkeypatch):
    monkeypatch.setitem(STORES, "s3", "a_package_that_is_not_here")
    before = files_below(near)
    code, _, err = answer("launch", "graformer", "--recipe", "small", "--storage", "s3://bucket/sweeps")
    assert code == BAD_INPUT
    assert "pip install a_package_that_is_not_here" in err
    assert files_below(near) == before


@pytest.mark.parametrize("words", ["show near", "resume near", "export near --out b.yaml", "sync near"])
def test_a_uri_that_is_not_the_sweeps_is_refused(near, answer, words):
    code, _, err = answer(*words.split(), "--storage", "local:///elsewhere")
    assert code == BAD_INPUT
    assert "sweep 'near' keeps its checkpoints in mlruns/sweeps/near; leave this --storage out" in err


@pytest.mark.parametrize("words", [["show", "far"], ["resume", "far"], ["export", "far", "--out", "b.yaml"]])
def test_the_uri_of_a_sweep_is_accepted(near, words):
    taken(line(*words, "--storage", "local:///bucket/"))


def test_list_looks_into_folders(near, answer):
    code, _, err = answer("list", "--storage", "local:///bucket")
    assert code == BAD_INPUT
    assert "list looks for sweeps in a folder" in err
    assert answer("list", "--json")[0] == OK


def test_a_uri_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        check_store(f"local://{tmp_path}/file/below")
    check_store(f"local://{tmp_path}/new")
    assert list((tmp_path / "new").iterdir()) == []


def test_books_say_where_checkpoints_are(near):
    first = json.loads(Path("mlruns/sweeps/far", FILE).read_text(encoding="utf-8").splitlines()[0])
    assert first["plan"]["checkpoints"] == "local:///bucket"
