"""`new-model`: what it writes passes the contract as written, and what it refuses leaves nothing behind."""

import io
import shlex
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from search.__main__ import VERBS
from spaces import space
from spaces.cli import BAD_INPUT, OK, main
from tests import ROOT
from tests.documents.pages import blocks_of, section_of, text_of
from trainables import registry
from trainables.cli import new_model as options
from trainables.templates import skeleton

NAME = "probe_lifting"
LONG = "a" + "_2345678" * 4 + "_abcdef"  # as long as a name may be
CODE = ("spaces", "data", "trainables", "search", "tests", "docs")
CONTRACT = (
    *("tests/trainables/models/test_models.py", "tests/trainables/models/test_registry.py"),
    *("tests/trainables/engines/test_fused.py", "tests/spaces/test_spaces.py", "tests/documents"),
)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Folders of models and spaces with nothing in them, and what lies in them afterwards."""
    monkeypatch.setattr(registry, "FOLDER", tmp_path / "models")
    monkeypatch.setattr(space, "FOLDER", tmp_path / "spaces")
    (tmp_path / "models").mkdir()
    (tmp_path / "spaces").mkdir()
    return lambda: sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


def new_model(name):
    return main("search", "", VERBS, ["new-model", name])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A copy of the repository's code with a new model in it, and what the command printed."""
    folder = tmp_path_factory.mktemp("copy")
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "store", "golden"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder / name)
    done = run_in(folder, "-m", "search", "new-model", NAME)
    assert done.returncode == OK, done.stderr
    return folder, done.stdout


def run_in(folder, *words):
    line = [sys.executable, *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


# --- what it writes


def test_files_and_next_commands_are_printed(home):
    folder, out = home
    lines = out.splitlines()
    listed = [line.removeprefix("wrote ") for line in lines if line.startswith("wrote ")]
    assert listed == [
        *(f"trainables/models/{NAME}/{module}.py" for module in ("__init__", "config", "network", "objective")),
        f"spaces/{NAME}.yaml",
    ]
    assert all((folder / path).is_file() for path in listed)
    assert f"its tests alone: python -m pytest -k {NAME}" in lines
    assert not list((folder / "trainables" / "models").glob(".*")), "a draft is left"


@pytest.mark.slow
def test_the_new_model_passes_its_contract_as_written(home):
    done = run_in(home[0], "-m", "pytest", "-p", "no:cacheprovider", *CONTRACT, "-k", NAME)
    assert done.returncode == OK, done.stdout + done.stderr
    assert " skipped" not in done.stdout


def test_the_printed_sweep_is_accepted_as_typed(home):
    """Checked as `launch` checks it, up to where Ray would start."""
    folder, out = home
    line = next(line for line in out.splitlines() if line.startswith("its first sweep: "))
    words = shlex.split(line.partition(": ")[2])
    assert words[:3] == ["python", "-m", "search"]
    code = "import sys; from docs.generate import parser_of; from search.__main__ import VERBS; "
    code += "options = parser_of('search').parse_args(sys.argv[1:]); plan = VERBS['launch'].check(options).plan; "
    code += "print(plan.base.model, plan.sweep.trials, plan.base.loop.epochs)"
    done = run_in(folder, "-c", code, *words[3:])
    assert done.stdout.split() == [NAME, "2", "1"], done.stderr


def test_what_else_a_finished_model_needs_is_one_list(home):
    done = run_in(home[0], "-c", f"from tests.documents.pages import lacks_of; print(*lacks_of('{NAME}'), sep='\\n')")
    wanted = (f"write docs/models/{NAME}.md", "add a row", "run: make docs")
    lines = done.stdout.splitlines()
    assert len(lines) == len(wanted), done.stdout + done.stderr
    assert all(line.startswith(start) for line, start in zip(lines, wanted, strict=True))


def test_the_style_is_ours_even_with_the_longest_name(home):
    assert len(LONG) == options.LONGEST
    assert options.name_problems(LONG) == []
    files = {home[0] / path: text for path, text in skeleton.files_of(LONG).items()}
    assert max(len(line) for text in files.values() for line in text.splitlines()) <= 120
    folder = home[0] / "trainables" / "models" / LONG
    folder.mkdir()
    for path, text in files.items():
        path.write_text(text)
    for words in ("check", "format --check"):
        done = run_in(home[0], "-m", "ruff", *words.split(), str(folder))
        assert done.returncode == OK, done.stdout + done.stderr
    shutil.rmtree(folder)
    (home[0] / "spaces" / f"{LONG}.yaml").unlink()


@pytest.mark.parametrize("module", skeleton.MODULES)
def test_the_name_replaces_words_of_texts_and_comments_only(module):
    """So the types of the template, which `make check` reads, are those of every new model."""
    text = text_of(ROOT / "trainables" / "templates" / skeleton.TEMPLATE / module)
    assert skeleton.TEMPLATE in text
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        assert token.type != tokenize.NAME or token.string != skeleton.TEMPLATE, token.line


def test_the_page_shows_every_file_as_it_is_written():
    page = text_of(ROOT / "docs" / "new-model.md")
    shown = blocks_of(section_of(page, "The files"))
    assert [block.rstrip("\n") for block in shown] == [
        text.rstrip("\n") for text in skeleton.files_of("pose_mlp").values()
    ]


def test_the_page_lists_every_hook():
    table = section_of(text_of(ROOT / "docs" / "new-model.md"), "Hooks")
    for hook in registry.HOOKS.values():
        assert f"| `{hook.name}` | {'yes' if hook.metadata.get('place') else ''} | " in table
        assert hook.metadata["help"] in table, hook.name


# --- what it refuses


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PoseMLP", "must be small letters, digits and single underscores, with a letter first; for example posemlp"),
        ("pose-mlp", "for example pose_mlp"),
        ("2d_lifter", "for example d_lifter"),
        ("_hidden", "for example hidden"),
        ("a__b", "for example a_b"),
        ("../layers", "must be small letters"),
        ("", "must be small letters"),
        ("Torch", "with a letter first"),
        ("lambda", "is a keyword of Python"),
        ("torch", "is a module that code imports as `import torch`"),
        ("data", "is a module"),
        ("a" * 41, "has 41 characters; at most 40 are allowed"),
    ],
)
def test_a_bad_name_is_refused_with_the_remedy(empty, capsys, name, words):
    assert new_model(name) == BAD_INPUT
    told = capsys.readouterr()
    assert words in told.err
    assert (told.out, empty()) == ("", [])


def test_all_problems_come_at_once(capsys):
    assert new_model("graformer") == BAD_INPUT
    assert capsys.readouterr().err == (
        "new-model 'graformer': 2 problems\n"
        "  trainables/models/graformer exists and is not overwritten; choose another name or remove it\n"
        "  spaces/graformer.yaml exists and is not overwritten; choose another name or remove it\n"
    )
    assert new_model("A" * 50) == BAD_INPUT
    assert "2 problems\n  has 50 characters" in capsys.readouterr().err


def test_a_name_that_is_taken_is_not_offered(capsys):
    assert new_model("GraFormer") == BAD_INPUT
    assert "for example" not in capsys.readouterr().err


def test_a_read_only_installation_is_told_the_remedy(empty, capsys, monkeypatch):
    monkeypatch.setattr(options.os, "access", lambda *_: False)
    assert new_model(NAME) == BAD_INPUT
    assert capsys.readouterr().err.count("is not writable; run this in a clone of the repository") == 2
    assert empty() == []


@pytest.mark.parametrize("end", [OSError(30, "Read-only file system", "models"), KeyboardInterrupt()])
def test_what_cannot_be_finished_leaves_nothing(empty, capsys, monkeypatch, end):
    def fail(path, target):
        raise end

    monkeypatch.setattr(Path, "rename", fail)
    assert new_model(NAME) in (BAD_INPUT, 130)
    told = capsys.readouterr().err
    assert "models cannot be written: Read-only file system; nothing was written" in told or "interrupted" in told
    assert empty() == []


def test_a_file_that_appears_meanwhile_stays(empty, tmp_path, capsys):
    (tmp_path / "spaces" / f"{NAME}.yaml").write_text("mine")
    with pytest.raises(ValueError, match="cannot be written: File exists; nothing was written"):
        skeleton.new_model(options.NewModel(name=NAME))
    assert empty() == [f"spaces/{NAME}.yaml"]
    assert (tmp_path / "spaces" / f"{NAME}.yaml").read_text() == "mine"
