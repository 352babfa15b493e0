"""How `launch` answers: wrong input with exit 2, all problems at once, nothing started, nothing written."""

import argparse
import dataclasses
import tempfile
from functools import partial

import pytest

from search.__main__ import VERBS
from spaces.cli import BAD_INPUT, OK
from spaces.schema import dump
from spaces.yaml_text import parse_yaml
from tests.made.sweeps import FOUR_POINTS, OBJECTIVE, answer_of, files_below, made_journal, made_plan
from trainables.config import config_from

# A launch that gets past its checks would import this and fail loudly, instead of starting Ray.
UNSTARTED = VERBS | {"launch": dataclasses.replace(VERBS["launch"], run="nothing_may_start:launch")}


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, UNSTARTED)


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A storage folder with the sweep `first`, in an otherwise empty working directory."""
    monkeypatch.chdir(tmp_path)
    made_journal(tmp_path / "sweeps", made_plan("first")).unlock()
    return tmp_path / "sweeps"


# --- wrong launches

GOOD = ["graformer", "--recipe", "small"]
BAD_LAUNCHES = [
    ([*GOOD, "--set", "optim.lrr=1"], ["optim.lrr: no such knob; did you mean optim.lr?"]),
    ([*GOOD, "--set", "optim.lr"], ["--set: 'optim.lr' has no '='; write --set KNOB=VALUE"]),
    ([*GOOD, "--set", "optim.lr=-1"], ["optim.lr = -1: out of bounds; allowed: float and > 0"]),
    ([*GOOD, "--set", "optim.lr=fast"], ["optim.lr = fast: expected float, got text 'fast'"]),
    ([*GOOD, "--set", "optim.lr=nan"], ["optim.lr = nan: must be finite"]),
    ([*GOOD, "--set", "loop.batch=1.5"], ["loop.batch = 1.5: expected int, got text '1.5'"]),
    (
        [*GOOD, "--data", "humaneva", "--set", "data.joints=17"],
        ["data.joints = 17 does not go with", "HumanEva-I has 15"],
    ),
    (
        [*GOOD, "--set", "data.name=3dhp"],
        ["data.joints = 16 does not go with data.name = 3dhp", "set data.joints = 17"],
    ),
    (
        ["poseformer", "--data", "3dhp"],
        ["data.keypoints = cpn_ft_h36m_dbb is not in the files of MPI-INF-3DHP; use gt"],
    ),
    (["poseformer", "--recipe", "hmsft_humaneva", "--data", "h36m"], ["Human3.6M has 17 or 16; set data.joints = 17"]),
    ([*GOOD, "--set", "data.joints=12"], ["data.joints = 12: not allowed", "one of 15, 16, 17"]),
    ([*GOOD, "--set", f"network.width={10**10}"], ["network.width = 10000000000: out of bounds", "<= 16384"]),
    ([*GOOD, "--set", f"network.layers={10**6}"], ["network.layers = 1000000: out of bounds", "<= 1000"]),
    ([*GOOD, "--trials", str(10**12)], ["trials = 1000000000000: out of bounds", "<= 100000"]),
    ([*GOOD, "--time-budget", "9" * 400 + "s"], ["--time-budget: '9999", "is too long"]),
    ([*GOOD, "--set", "network.heads=7"], ["network.heads = 7 must divide the width", "legal near it: "]),
    ([*GOOD, "--set", "data.frames=3"], ["data.frames = 3 must be 1"]),
    ([*GOOD, "--set", "model=poseformer"], ["--set model: name another model or space instead"]),
    ([*GOOD, "--set", "loop.select=val/mpjve_mm"], ["--set loop.select: use --objective"]),
    ([*GOOD, "--storage", "/proc/nowhere"], ["/proc cannot be written"]),
    (["grafomer"], ["model 'grafomer': is not here; did you mean graformer?", "Models: "]),
    (["nowhere.yaml"], ["nowhere.yaml: there is no such space file", "graformer"]),
    (["graformer", "--recipe", "smal"], ["no recipe 'smal'; did you mean small?; recipes of graformer: original"]),
    (
        [*GOOD, "--sampler", "tpee"],
        ["sampler = tpee: not allowed; did you mean tpe?; one of tpe, gp, cmaes, nsga2, qmc, random, grid"],
    ),
    (
        [*GOOD, "--scheduler", "bohb"],
        ["scheduler = bohb: not allowed", "one of asha, stopping, hyperband, "],
    ),
    (
        [*GOOD, "--epochs", "8", "--grace", "8", "--scheduler", "median", "--reduction", "4"],
        ["--grace 8: no trial would be judged before epoch 8", "--reduction 4: --scheduler median has no use for it"],
    ),
    ([*GOOD, "--executor", "fussed"], ["executor = fussed: not allowed", "one of auto, solo"]),
    ([*GOOD, "--objective", "val/mpjpe"], ["objective = val/mpjpe names 'val/mpjpe'", "did you mean val/mpjpe_mm?"]),
    ([*GOOD, "--trials", "0"], ["trials = 0: out of bounds; allowed: int and >= 1"]),
    ([*GOOD, "--trials", "many"], ["trials = many: expected int, got text 'many'"]),
    ([*GOOD, "--epochs", "0"], ["loop.epochs = 0: out of bounds; allowed: int and >= 1"]),
    ([*GOOD, "--concurrent", "0"], ["concurrent = 0: out of bounds"]),
    ([*GOOD, "--gpus-per-worker", "-1"], ["gpus_per_worker = -1: out of bounds"]),
    ([*GOOD, "--seed", "9" * 30], ["seed = 999999999999999999999999999999: is beyond 64 bits"]),
    ([*GOOD, "--trials", "9" * 20], ["trials = 99999999999999999999: is beyond 64 bits"]),
    ([*GOOD, "--set", "network.width=" + "9" * 30], ["network.width = 9999", "is beyond 64 bits; allowed: int"]),
    ([*GOOD, "--set", "loop.epochs=" + "9" * 5000], ["loop.epochs = 9999", "(5000 characters)"]),
    (["decided.yaml"], ["search.loop.seed: is one for the whole sweep and is not searched; use --seed"]),
    ([*GOOD, "--seed", "-1"], ["seed = -1: out of bounds", "allowed: int and >= 0"]),
    ([*GOOD, "--time-budget", "soon"], ["--time-budget: 'soon' is no duration; write 90s, 20m, 2h or 1h30m"]),
    ([*GOOD, "--time-budget", "0s"], ["time_budget_s = 0.0: out of bounds; allowed: float or none and > 0"]),
    (
        [*GOOD, "--name", "first"],
        ["--name first: a sweep of this name exists in", "or go on with it: python -m search resume first --storage "],
    ),
    ([*GOOD, "--name", "../up"], ["--name '../up': use letters"]),
    ([*GOOD, "--name", ".."], ["--name '..': use letters"]),
    ([*GOOD, "--name", "two words"], ["--name 'two words': use letters"]),
    ([*GOOD, "--name", "x" * 300], ["use letters, digits, '-', '_' and '.', at most 100"]),
    ([*GOOD, "--storage", "a-file"], ["--storage a-file: a-file is a file; give a folder"]),
    ([*GOOD, "--storage", "a-file/below"], ["--storage a-file/below: a-file is a file; give a folder"]),
    (["broken.yaml"], ["broken.yaml: is not valid YAML"]),
    (["list.yaml"], ["list.yaml: a space is a mapping with the keys model"]),
    (["other-model.yaml"], ["model 'grafomer': is not here; did you mean graformer?"]),
    (["wrong.yaml"], ["wrong.yaml: search.network.widht: no such knob; did you mean network.width?"]),
    (
        ["circle.yaml"],
        ["circle.yaml: when: conditions in a circle", "width -> network.layers -> network.width"],
    ),
    (["lone.yaml"], ["lone.yaml: search.network.heads: 4 is a lone value", "base, as the line 'network.heads: 4'"]),
    (["lost.yaml"], ["lost.yaml: include: nowhere.yaml: there is no such file in "]),
    (
        ["points.yaml"],
        ["points.yaml: points[0]: network.heads = 4 must", "points.yaml: points[1]: network.heads = 4 must"],
    ),
    (["all-set.yaml", "--set", "network.width=24", "--set", "network.layers=2"], ["nothing to search; use `train`"]),
]


@pytest.fixture
def wrong_files(storage, tmp_path):
    """Space files and others that a launch must refuse, beside the storage."""
    (tmp_path / "a-file").touch()
    (tmp_path / "broken.yaml").write_text("model: [graformer")
    (tmp_path / "list.yaml").write_text("- graformer")
    (tmp_path / "other-model.yaml").write_text(FOUR_POINTS.replace("graformer", "grafomer"))
    (tmp_path / "wrong.yaml").write_text(FOUR_POINTS.replace("search:\n  network.width", "search:\n  network.widht"))
    (tmp_path / "all-set.yaml").write_text(FOUR_POINTS)
    circle = FOUR_POINTS.replace("[24, 32]", "[24, 32], when: {network.layers: 2}")
    (tmp_path / "circle.yaml").write_text(circle.replace("[2, 3]", "[2, 3], when: {network.width: 24}"))
    (tmp_path / "lone.yaml").write_text(f"{FOUR_POINTS}  network.heads: 4\n")
    (tmp_path / "lost.yaml").write_text(f"include: nowhere.yaml\n{FOUR_POINTS}")
    (tmp_path / "points.yaml").write_text(f"{FOUR_POINTS}points: [{{network.width: 25}}, {{network.width: 26}}]\n")
    (tmp_path / "decided.yaml").write_text(f"{FOUR_POINTS}  loop.seed: {{choice: [0, 1]}}\n")
    return storage


@pytest.mark.parametrize(("words", "expected"), BAD_LAUNCHES, ids=[" ".join(words)[:50] for words, _ in BAD_LAUNCHES])
def test_a_wrong_launch_is_answered_with_2_and_leaves_nothing_behind(wrong_files, answer, tmp_path, words, expected):
    before = files_below(tmp_path)
    where = [] if "--storage" in words else ["--storage", wrong_files]
    code, out, err = answer("launch", *words, *where)
    assert (code, out) == (BAD_INPUT, ""), err
    assert all(text in err for text in expected), err
    assert "Traceback" not in err
    assert files_below(tmp_path) == before


def test_all_problems_of_a_launch_come_at_once(wrong_files, answer, tmp_path):
    before = files_below(tmp_path)
    words = (
        "graformer --recipe smal --sampler tpee --trials 0 --time-budget soon --name first --set optim.lrr=1 "
        "--set optim.lr=-1 --set network.heads=7 --set data.frames=2"
    )
    code, out, err = answer("launch", *words.split(), "--storage", wrong_files)
    assert (code, out) == (BAD_INPUT, "")
    first, *lines = err.splitlines()
    starts = sorted(line.strip().split(":")[0].split(" = ")[0] for line in lines)
    assert starts == sorted(
        [
            "no recipe 'smal'; did you mean small?; recipes of graformer",
            "sampler",
            "trials",
            "--time-budget",
            "--name first",
            "optim.lrr",
            "optim.lr",
            "network.heads",
            "data.frames",
            "data.frames",
        ]
    )
    assert first == f"launch: {len(lines)} problems"
    assert files_below(tmp_path) == before


BROKEN = """
model: graformer
colour: blue
base: {optim.lr: 1e-3}
recipes:
  small: {network.width: 24, network.heads: four}
search:
  optim.lr: {log: [1e-4, 1e-2]}
  network.width: {choice: []}
  network.depth: {range: [2, 8]}
  model: {choice: [graformer, poseformer]}
"""


def test_all_faults_of_a_space_come_with_those_of_the_options(storage, answer, tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN)
    before = files_below(tmp_path)
    words = "broken.yaml --recipe smal --trials 0 --set optim.clip=-1 --set optim.lrr=1 --set loop.seed=1"
    code, out, err = answer("launch", *words.split(), "--storage", storage)
    assert (code, out) == (BAD_INPUT, "")
    first, *lines = err.splitlines()
    assert first == f"launch: {len(lines)} problems"
    starts = {
        text.split(":")[0].split(" = ")[0] for line in lines if (text := line.strip().removeprefix("broken.yaml: "))
    }
    assert starts == {
        "colour",
        "search.network.width",
        "recipes.small.network.heads",
        "search.network.depth",
        "search.model",
        "optim.lr stands in base and in search; keep one",
        "no recipe 'smal'; did you mean small?; recipes of graformer",
        "trials",
        "optim.clip",
        "optim.lrr",
        "--set loop.seed",
    }
    assert files_below(tmp_path) == before


def test_an_unknown_model_does_not_hide_wrong_options(storage, answer):
    code, _, err = answer("launch", "grafomer", "--sampler", "tpee", "--name", "first", "--storage", storage)
    assert code == BAD_INPUT
    assert all(text in err for text in ("launch: 3 problems", "did you mean graformer?", "sampler", "--name first"))


@pytest.mark.parametrize(
    "words",
    [["launch"], ["lunch"], [], ["launch", "graformer", "--trails", "3"], ["show"], ["export", "first"]],
    ids=" ".join,
)
def test_an_incomplete_command_line_is_answered_with_2(storage, answer, words):
    code, out, err = answer(*words)
    assert (code, out) == (BAD_INPUT, "")
    assert "usage: python -m search" in err


def test_a_folder_without_rights_is_told_before_anything_starts(storage, answer, monkeypatch):
    def refuse(**where):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # these tests may run as root, who may do everything
    code, _, err = answer("launch", *GOOD, "--storage", storage / "new")
    assert code == BAD_INPUT
    assert "cannot be written (Permission denied); give another folder" in err


# --- right launches, up to where they would start


def checked(*words):
    parser = argparse.ArgumentParser()
    VERBS["launch"].add_options(parser)
    return VERBS["launch"].check(parser.parse_args([str(word) for word in words]))


@pytest.mark.parametrize(
    ("words", "name", "joints"),
    [
        ("graformer", "synthetic", 16),
        ("graformer --recipe small --data humaneva", "humaneva", 15),
        ("graformer --recipe small --data 3dhp", "3dhp", 17),
        ("poseformer --recipe small --data synthetic_3dhp", "synthetic_3dhp", 17),
        ("poseformer --recipe hmsft_humaneva", "humaneva", 15),
        ("poseformer --recipe hmsft_3dhp", "3dhp", 17),
        ("videopose3d --recipe humaneva_27 --data humaneva_authors", "humaneva_authors", 15),
        ("videopose3d --recipe small --data h36m_authors", "h36m_authors", 17),
    ],
)
def test_data_brings_its_joints_and_a_recipe_its_data(storage, words, name, joints):
    base = checked(*words.split()).plan.base
    assert (base.data.name, base.data.joints, base.data.sizes.skeleton.num_joints) == (name, joints, joints)
    assert config_from(parse_yaml(dump(base), "export"), "export") == base


def test_a_launch_without_options_has_the_contracts_defaults(storage, tmp_path):
    request = checked("graformer")
    assert (request.name, request.folder) == ("graformer-1", tmp_path / "mlruns" / "sweeps" / "graformer-1")
    assert (request.where.tracking_uri, request.where.address) == (None, None)
    sweep, base = request.plan.sweep, request.plan.base
    assert (sweep.recipe, sweep.trials, sweep.sampler, sweep.scheduler) == ("original", 20, "tpe", "asha")
    assert (sweep.objective, sweep.executor, sweep.concurrent, sweep.time_budget_s) == (OBJECTIVE, "auto", None, None)
    assert (base.data.name, base.data.root) == ("synthetic", "data/store")
    assert base.loop.epochs == int(request.plan.space.recipes["original"]["loop.epochs"])


def test_a_launch_takes_every_option_into_its_plan(storage):
    words = (
        "graformer --recipe small --data h36m --data-root /sets --trials 12 --epochs 4 --concurrent 2 --sampler random "
        "--scheduler none --objective val/p_mpjpe_mm --executor solo --cpus-per-worker 0.5 --gpus-per-worker 0.25 "
        "--time-budget 1h30m --tracking-uri http://there --address auto --name mine --seed 7 --set optim.lr=1e-3 "
        "--set data.actions=Walking,Sitting"
    )
    request = checked(*words.split(), "--storage", storage)
    sweep, base = request.plan.sweep, request.plan.base
    assert (request.name, request.folder) == ("mine", storage / "mine")
    assert (request.where.tracking_uri, request.where.address) == ("http://there", "auto")
    assert (sweep.trials, sweep.concurrent, sweep.sampler, sweep.scheduler) == (12, 2, "random", "none")
    assert (sweep.cpus_per_worker, sweep.gpus_per_worker, sweep.time_budget_s, sweep.seed) == (0.5, 0.25, 5400, 7)
    assert (base.data.name, base.data.root, base.data.actions) == ("h36m", "/sets", ("Walking", "Sitting"))
    assert (base.loop.epochs, base.loop.seed, base.loop.select, base.optim.lr) == (4, 7, "val/p_mpjpe_mm", 1e-3)
    assert "optim.lr" not in request.plan.domains


def test_a_sweep_without_a_name_takes_the_next_free_number(storage):
    made_journal(storage, made_plan("graformer-1")).unlock()
    assert checked("graformer", "--storage", storage).name == "graformer-2"


def test_a_launch_check_writes_nothing(storage, tmp_path):
    before = files_below(tmp_path)
    checked("graformer", "--storage", tmp_path / "elsewhere" / "deep")
    assert files_below(tmp_path) == before


def test_a_space_file_may_lie_anywhere(storage, tmp_path):
    (tmp_path / "mine.yaml").write_text(FOUR_POINTS)
    request = checked("mine.yaml", "--storage", storage)
    assert list(request.plan.domains) == ["network.width", "network.layers"]
    assert request.plan.space_text == FOUR_POINTS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_with_an_example(answer, verb):
    code, out, _ = answer(verb, "--help")
    assert code == OK
    assert f"example: python -m search {verb}" in " ".join(out.split())
