"""`list --models`, `--recipes` and `--knobs`: what there is to search, from the models and their spaces."""

import json
import sys
from functools import partial

import pytest

from search.__main__ import VERBS
from spaces.cli import BAD_INPUT, OK
from spaces.domain_text import read_domain
from spaces.domains import typed
from spaces.space import find_space, read_space
from tests.made.sweeps import answer_of
from tests.test_light import HEAVY, python
from trainables import registry
from trainables.config import knobs_of

MODELS = registry.names()


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def rows(answer):
    """The rows of a table of `list`, as JSON gives them."""

    def read(*words):
        code, out, err = answer("list", *words, "--json")
        assert (code, err) == (OK, "")
        (found,) = json.loads(out).values()
        return found

    return read


# --- models


def test_every_model_is_listed_with_its_recipes(rows):
    found = {row["model"]: row for row in rows("--models")}
    assert tuple(found) == MODELS
    for model, row in found.items():
        assert row["recipes"] == list(read_space(find_space(model)).recipes)
        assert row["about"].endswith(".")


@pytest.mark.parametrize(
    ("model", "reads"),
    [
        ("graformer", ("poses", "one", "one")),
        ("poseformer", ("poses", "several", "one")),
        ("videopose3d", ("poses", "several", "one")),
        ("sgraformer", ("poses", "several", "several")),
        ("context_aware_poseformer", ("images", "one", "one")),
        ("mesh_graphormer", ("meshes", "one", "one")),
    ],
)
def test_a_model_says_what_it_reads(rows, model, reads):
    row = next(row for row in rows("--models") if row["model"] == model)
    assert (row["data"], row["frames"], row["views"]) == reads


def test_the_table_of_models_has_a_line_each(answer):
    code, out, _ = answer("list", "--models")
    header, *lines = out.splitlines()
    assert code == OK
    assert header.split() == ["model", "data", "frames", "views", "recipes", "about"]
    assert [line.split()[0] for line in lines] == list(MODELS)


# --- recipes


def test_every_recipe_says_what_it_is(rows):
    found = rows("--recipes")
    listed = [(model, recipe) for model in MODELS for recipe in read_space(find_space(model)).recipes]
    assert [(row["model"], row["recipe"]) for row in found] == listed
    silent = [f"spaces/{row['model']}.yaml: {row['recipe']}" for row in found if not row["about"]]
    assert not silent, f"say what it is in a comment right above: {silent}"
    assert len({row["about"] for row in found}) == len(found)


def test_a_recipe_has_its_data_and_length(rows):
    found = {(row["model"], row["recipe"]): row for row in rows("--recipes")}
    humaneva = found["poseformer", "hmsft_humaneva"]
    assert (humaneva["data"], humaneva["epochs"]) == ("humaneva", 500)
    small = found["graformer", "small"]
    assert (small["data"], small["epochs"]) == (None, 12)
    assert small["about"].startswith("Small, what a CPU core trains in minutes: a third of the width")


def test_the_table_of_recipes_has_the_first_sentence(answer):
    code, out, _ = answer("list", "--recipes")
    (line,) = [line for line in out.splitlines() if " hmsft_h36m_gt " in line]
    assert code == OK
    assert line.split(maxsplit=4) == [
        "poseformer",
        "hmsft_h36m_gt",
        "-",
        "30",
        "HMSFT's settings for Human3.6M with true 2D",
    ]


# --- knobs


@pytest.mark.parametrize("model", MODELS)
def test_every_knob_is_listed_with_its_domains(rows, model):
    known, space = knobs_of(model), read_space(find_space(model))
    found = {row["knob"]: row for row in rows("--knobs", model)}
    assert list(found) == list(known)
    for path, row in found.items():
        assert row["meaning"] == known[path].help
        if row["default"] is not None:
            assert known[path].read(row["default"]) == known[path].default
        domains = {name: typed(read_domain(entry), known[path]) for name, entry in row["searched"].items()}
        held = {name: space.domains(name).get(path) for name in space.recipes}
        assert domains == {name: typed(domain, known[path]) for name, domain in held.items() if domain is not None}


def test_the_table_of_knobs_says_where_the_recipes_differ(answer):
    code, out, _ = answer("list", "--knobs", "graformer")
    lines = {line.split()[0]: " ".join(line.split()) for line in out.splitlines()[1:]}
    assert code == OK
    assert lines["optim.lr"] == (
        "optim.lr float 0.001 > 0 - log [0.0001, 0.003]; small: log [0.0005, 0.006] peak learning rate"
    )
    assert "one of gt" not in lines["data.keypoints"]
    assert "one of steps, epochs, share" in lines["optim.lr_decay_by"]
    assert " - passes over" in lines["loop.epochs"]


def test_a_knob_that_one_recipe_does_not_search_says_so(answer):
    _, out, _ = answer("list", "--knobs", "mesh_graphormer")
    (line,) = [line for line in out.splitlines() if line.startswith("network.trunk ")]
    assert "choice [w64, w40]; small, tiny: -" in line


def test_on_a_terminal_wide_rows_become_paragraphs_that_fit(answer, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    whole = answer("list", "--knobs", "graformer")[1]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    lines = answer("list", "--knobs", "graformer")[1].splitlines()
    assert lines[0] == whole.splitlines()[0]
    assert max(map(len, lines[1:])) <= 60
    assert [line for line in lines[1:] if not line.startswith(" ")] == list(knobs_of("graformer"))
    assert " ".join(lines[lines.index("optim.lr") + 1 :]).startswith(
        "  type: float; default: 0.001; allowed: > 0; searched"
    )


# --- what is refused, and what is not loaded


def test_an_unknown_model_is_answered_with_the_nearest(answer):
    code, out, err = answer("list", "--knobs", "graphormer")
    assert (code, out) == (BAD_INPUT, "")
    assert "model 'graphormer': is not here; did you mean" in err


def test_two_tables_at_once_are_refused(answer):
    code, out, err = answer("list", "--models", "--recipes", "--knobs", "graformer")
    assert (code, out) == (BAD_INPUT, "")
    assert err == "list: --models and --recipes and --knobs are tables of their own; give one of them at a time\n"


def test_nothing_heavy_is_loaded():
    source = f"""
import sys
from search.__main__ import VERBS
from spaces.cli import main
main("search", "", VERBS, ["list", "--models"])
main("search", "", VERBS, ["list", "--recipes"])
main("search", "", VERBS, ["list", "--knobs", "mesh_graphormer"])
print("loaded:", *(heavy for heavy in {HEAVY!r} if heavy in sys.modules))
"""
    assert python("-c", source).splitlines()[-1] == "loaded:"
