"""`import`: authors' checkpoints of GraFormer become weights of ours, strictly."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from search.__main__ import VERBS
from spaces.cli import BAD_INPUT, OK
from spaces.space import read_space
from tests import ROOT, SHARED
from tests.made.checkpoints import GRAFORMER, network, published, script_checkpoint
from tests.made.small import TINY, write_tiny
from tests.made.sweeps import answer_of, files_below
from tests.parity.lifting import fill
from trainables import registry
from trainables.config import read_config
from trainables.runs.evaluate import evaluate_weights
from trainables.weights.checkpoint import load_weights, save_weights
from trainables.weights.published import read_published

SETTINGS = [
    word
    for knob, value in TINY.items()
    if knob not in ("network.width", "network.layers", "data.joints")
    for word in ("--set", f"{knob}={value}")
]


@pytest.fixture
def answer(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(answer_of, capsys, VERBS)


# --- the command


def test_an_imported_checkpoint_scores_as_the_network_that_made_it(answer, tmp_path):
    root = write_tiny(tmp_path / "store")
    made, config = network()
    save_weights(tmp_path / "own.safetensors", made.state_dict(), config, {"epoch": 7})
    published(script_checkpoint(made.state_dict()), tmp_path / "ckpt_best.pth.tar")
    line = "import graformer --recipe small --weights ckpt_best.pth.tar --out ours.safetensors --config ours.yaml"
    code, out, err = answer(*line.split(), *SETTINGS, "--set", f"data.root={root}")
    assert (code, err) == (OK, "")
    assert "told by the weights: network.width = 8, network.layers = 1, data.joints = 16" in out
    assert "network.heads = 2" in out
    assert "evaluate ours.yaml --weights ours.safetensors" in out
    own, imported = (
        evaluate_weights(found, tmp_path / f"{name}.safetensors", flip=False)
        for name, found in (("own", config), ("ours", read_config("ours.yaml")))
    )
    assert imported["metrics"] == own["metrics"]
    assert imported["per_action"] == own["per_action"]
    assert imported["protocol"]["weights_epoch"] == 7
    facts = load_weights(Path("ours.safetensors"))[2]
    assert (facts["imported_from"], facts["step"], len(facts["sha256"])) == ("ckpt_best.pth.tar", 1234, 64)


def test_a_number_beyond_the_range_of_floats_beside_weights_is_left_out(tmp_path):
    made, _ = network()
    published(script_checkpoint(made.state_dict()) | {"step": 10**400}, tmp_path / "ckpt.pth.tar")
    facts = read_published(tmp_path / "ckpt.pth.tar", registry.get("graformer")).facts
    assert (facts["epoch"], "step" in facts) == (7, False)


GOLDEN = sorted((SHARED / "parity").glob("graformer-*.npz"))


@pytest.mark.skipif(not GOLDEN, reason="no golden data beside the repository")
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_weights_import_and_give_the_golden_output(answer, tmp_path, path):
    with np.load(path, allow_pickle=False) as archive:
        settings = json.loads(str(archive["config"]))["args"]
        manifest = json.loads(str(archive["manifest"]))
        x, expected = torch.from_numpy(archive["in_x"]).float(), archive["out_f32"]
    if settings["n_pts"] not in (16, 17) or settings["coords_dim"][0] != 2:
        pytest.skip(f"{settings['n_pts']} joints of {settings['coords_dim'][0]} numbers: no data of ours has them")
    weights = {
        name: torch.from_numpy(fill(name, tuple(shape), at, spread)) for name, shape, _, at, spread, _ in manifest
    }
    published({"epoch": 1, "state_dict": weights, "optimizer": {}}, tmp_path / "golden.pth.tar")
    line = f"import graformer --weights golden.pth.tar --out o.safetensors --set network.heads={settings['n_head']}"
    code, _, err = answer(*line.split())
    assert (code, err) == (OK, "")
    tensors, config, _ = load_weights(Path("o.safetensors"))
    assert (config.network.width, config.network.layers) == (settings["hid_dim"], settings["num_layers"])
    ours = GRAFORMER.build(config.network, config.data.sizes).eval()
    ours.load_state_dict(tensors)
    with torch.no_grad():
        # Stated with the data: float32 and float64 differ by up to 6e-6.
        np.testing.assert_allclose(ours.lift(x).numpy(), expected, rtol=0, atol=2e-5)


def test_every_missing_and_unexpected_name_and_shape_is_listed_and_nothing_is_written(answer, tmp_path):
    weights = dict(network(layers=2)[0].state_dict())
    gone = [name for name in weights if name.startswith("atten_layers.1.self_attn")]
    for name in gone:
        del weights[name]
    weights["head.weight"] = torch.ones(2)
    weights["gconv_output.bias"] = torch.ones(1, 1, 4)
    published({"state_dict": weights}, tmp_path / "a.pth")
    before = files_below(tmp_path)
    code, out, err = answer("import", "graformer", "--weights", "a.pth", "--out", "o.safetensors")
    assert (code, out) == (BAD_INPUT, "")
    for name in gone:
        assert f"  missing: {name}\n" in err
    assert "  unexpected: head.weight\n" in err
    assert "gconv_output.bias has shape (1, 1, 4), expected (1, 1, 3)" in err
    assert "sizes are those of network.width = 8, network.layers = 2, network.heads = 4" in err
    assert files_below(tmp_path) == before


def test_a_set_size_that_the_weights_contradict_is_refused(answer, tmp_path):
    published(network()[0].state_dict(), tmp_path / "a.pth")
    line = "import graformer --weights a.pth --out o.safetensors --set network.width=96 --set data.joints=17"
    code, _, err = answer(*line.split())
    assert code == BAD_INPUT
    assert "network.width = 96 was set, but these weights have 8; leave it out" in err
    assert "data.joints = 17 was set, but these weights have 16" in err


def test_heads_that_do_not_divide_the_imported_width_are_refused(answer, tmp_path):
    published(network(width=6)[0].state_dict(), tmp_path / "a.pth")
    code, _, err = answer("import", "graformer", "--weights", "a.pth", "--out", "o.safetensors")
    assert code == BAD_INPUT
    assert "network.heads = 4 must divide the width 6; legal near it: 3, 6" in err


def test_all_wrong_options_of_an_import_come_at_once(answer, tmp_path):
    (tmp_path / "there.safetensors").touch()
    line = (
        "import graformer --recipe smal --weights no.pth --out there.safetensors --config no/where.yaml "
        "--set network.headz=2 --set network.layers=0"
    )
    code, out, err = answer(*line.split())
    assert (code, out) == (BAD_INPUT, "")
    for text in (
        "import: 6 problems",
        "no recipe 'smal'; did you mean small?",
        "--set network.headz: no such knob; did you mean network.heads?",
        "network.layers = 0: out of bounds; allowed: int and >= 1",
        "--weights no.pth: there is no such file",
        "there.safetensors exists; choose another name or add --force",
        "no/where.yaml: there is no folder no",
    ):
        assert text in err
    assert answer("import", "grafomer", "--weights", "a", "--out", "b")[0] == BAD_INPUT


def test_a_file_is_replaced_only_when_told_to(answer, tmp_path):
    published(network()[0].state_dict(), tmp_path / "a.pth")
    line = ["import", "graformer", "--weights", "a.pth", "--out", "o.safetensors"]
    assert [answer(*line)[0], answer(*line)[0], answer(*line, "--force")[0]] == [OK, BAD_INPUT, OK]
    code, _, err = answer(*line[:-1], "a.pth", "--force")
    assert (code, "--out a.pth: is named twice" in err) == (BAD_INPUT, True)


@pytest.mark.parametrize("name", registry.names())
def test_every_recipe_tells_what_weights_do_not(name):
    space = read_space(ROOT / "spaces" / f"{name}.yaml")
    heads = [knob for knob in registry.get(name).network.__slots__ if "heads" in knob]
    for recipe in space.recipes:
        assert all(f"network.{knob}" in space.fixed(recipe) for knob in heads)
