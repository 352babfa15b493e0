"""Authors' checkpoints become weights of ours, strictly, and nothing that they ask for is run."""

import io
import json
import os
import pickle
import warnings
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from made_sweeps import answer_of, files_below
from parity_lifting import fill
from small import TINY, tiny_config, tiny_run, write_tiny

from data.poseset import DataError
from search.__main__ import VERBS
from spaces.cli import BAD_INPUT, OK
from spaces.space import read_space
from trainables import registry
from trainables.checkpoint import load_weights, save_weights
from trainables.config import default_config, read_config
from trainables.published import read_published
from trainables.torch_files import read_torch_file
from trainables.verbs import evaluate_weights

GRAFORMER = registry.get("graformer")
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


def network(width=8, layers=1, heads=2, joints=16):
    changes = {"network__width": width, "network__layers": layers, "network__heads": heads, "data__joints": joints}
    config = tiny_config("store", **changes)
    torch.manual_seed(5)
    return GRAFORMER.build(config.network, config.data.sizes), config


def published(content, path, **options):
    """A checkpoint as training scripts write it: trained on a GPU wrapper, optimiser and generator beside."""
    torch.save(content, path, **options)
    return path


def script_checkpoint(weights, prefix="module.", random=True):
    named = {prefix + name: tensor for name, tensor in weights.items()}
    moments = {n: {"step": torch.tensor(9.0), "exp_avg": 0 * tensor} for n, tensor in enumerate(weights.values())}
    group = {"lr": 9e-4, "betas": (0.9, 0.999), "amsgrad": False, "params": list(moments)}
    content = {"epoch": 7, "lr": 9e-4, "step": 1234, "state_dict": named, "error": np.float64(48.9)}
    content["optimizer"] = {"state": moments, "param_groups": [group]}
    return content | ({"random_state": np.random.RandomState(1234)} if random else {})


# --- what is read


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_training_script_checkpoint_is_read_whole(tmp_path, prefix, protocol, is_zip):
    weights = network()[0].state_dict()
    options = {"_use_new_zipfile_serialization": is_zip, "pickle_protocol": protocol}
    path = published(script_checkpoint(weights, prefix), tmp_path / "a.pth.tar", **options)
    found = read_published(path, GRAFORMER)
    assert list(found.tensors) == list(weights)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in weights.items())
    assert {name: found.facts[name] for name in ("epoch", "step", "lr", "error")} == {
        "epoch": 7, "step": 1234, "lr": 9e-4, "error": 48.9,
    }  # fmt: skip


def test_generators_of_old_numpy_are_left_aside(tmp_path):
    # NumPy 1 named its inner package `core`, and before 1.17 generators were made by another function.
    content = pickle.dumps({"random_state": np.random.RandomState(3)}, protocol=2)
    old = content.replace(b"numpy._core.", b"numpy.core.")
    path = tmp_path / "a.bin"
    for spelled in (old, old.replace(b"numpy.random._pickle\n__randomstate_ctor", b"numpy.random\n__RandomState_ctor")):
        path.write_bytes(_as_zip(spelled))
        assert list(read_torch_file(path)) == ["random_state"]


def _as_zip(payload):
    """A torch archive around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return file.getvalue()


@pytest.mark.parametrize("key", ["state_dict", "model_pos", "model", "net"])
def test_weights_are_found_under_the_keys_of_the_published_scripts(tmp_path, key):
    weights = network()[0].state_dict()
    path = published({key: weights, "optimizer": {"state": {}}, "epoch": 1}, tmp_path / "a.bin")
    assert list(read_published(path, GRAFORMER).tensors) == list(weights)


def test_a_bare_state_dict_is_weights(tmp_path):
    weights = network()[0].state_dict()
    assert list(read_published(published(weights, tmp_path / "a.pth"), GRAFORMER).tensors) == list(weights)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"epoch": 1, "lr": 0.1}, "holds a mapping with the keys epoch, lr, no weights"),
        ({}, "holds an empty mapping"),
        ([1], "holds a list"),
        ({"a": {"x": torch.ones(1)}, "b": {"x": torch.ones(1)}}, "keys a, b, no weights"),
        ({"x": torch.ones(1), "module.x": torch.ones(1)}, "x is there twice, once as module.x"),
        ({"x": torch.tensor([1.0, float("nan")])}, "x holds values that are not finite"),
    ],
)
def test_what_holds_no_weights_is_told(tmp_path, content, problem):
    with pytest.raises(DataError, match=problem):
        read_published(published(content, tmp_path / "a.pth"), GRAFORMER)


# --- what is refused


class Runs:
    """Pickles to a call."""

    def __init__(self, function, *words):
        self.call = (function, words)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_that_wants_to_run_a_command_runs_nothing_and_is_named(tmp_path, is_zip, protocol):
    marker = tmp_path / "ran"
    content = {"state_dict": network()[0].state_dict(), "args": Runs(os.system, f"touch {marker}")}
    options = {"_use_new_zipfile_serialization": is_zip, "pickle_protocol": protocol}
    path = published(content, tmp_path / "a.pth", **options)
    with pytest.raises(DataError, match=rf"asks to import {os.system.__module__}.system"):
        read_torch_file(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.",
        b"\x80\x02ctorch.serialization\nload\n)R.",
        b"\x80\x02ctorch.jit\nload\n)R.",
        b"\x80\x02cnumpy\nload\n)R.",
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        b"\x80\x02cantigravity\nfly\n)R.",
    ],
)
def test_no_callable_but_the_makers_of_tensors_and_arrays_is_admitted(tmp_path, payload):
    path = tmp_path / "a.pth"
    path.write_bytes(_as_zip(payload))
    with pytest.raises(DataError, match="asks to import"):
        read_torch_file(path)


def test_a_name_below_the_generators_is_not_imported_either(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(_as_zip(b"\x80\x02}X\x01\x00\x00\x00acnumpy.random.os\nsystem\ns."))
    assert read_torch_file(path)["a"] is not os.system


def test_a_pickled_network_is_refused_by_name(tmp_path):
    path = published(network()[0], tmp_path / "model.bin")
    with pytest.raises(DataError, match=r"asks to import trainables\.models\.graformer\.network\.GraFormer"):
        read_torch_file(path)


def test_a_program_is_not_weights(tmp_path):
    path = tmp_path / "a.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch wants other ways to make one
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    with pytest.raises(DataError, match="is a TorchScript program"):
        read_torch_file(path)


def test_damaged_and_foreign_files_are_told_apart(tmp_path):
    path = published(network()[0].state_dict(), tmp_path / "a.pth")
    whole = path.read_bytes()
    for content, problem in (
        (whole[:-400], "is cut off before its end"),
        (b"<html>not found</html>", "is no PyTorch checkpoint"),
        (b"\x80\x02cut", "is damaged or incomplete"),
        (_as_zip(b"\x80\x02]q"), "is damaged or incomplete"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=problem):
            read_torch_file(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_torch_file(tmp_path / "nowhere.pth")


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


@pytest.mark.parametrize(
    ("name", "recipe"), [("poseformer", "hmsft_humaneva"), ("videopose3d", "humaneva_27"), ("graformer", "small")]
)
def test_a_checkpoint_of_humaneva_is_imported_with_its_recipe_or_its_set(answer, tmp_path, name, recipe):
    made_with = tiny_run(name, "store", **{"data__name": "humaneva", "data__joints": 15})
    weights = registry.get(name).build(made_with.network, made_with.data.sizes).state_dict()
    published(weights, tmp_path / "a.bin")
    changes = [] if name == "videopose3d" else ["--set", "network.heads=2"]
    line = ["import", name, "--recipe", recipe, "--weights", "a.bin", "--out", "o.safetensors", *changes]
    if name == "graformer":
        code, _, err = answer(*line)
        assert code == BAD_INPUT
        assert "data.joints = 15 does not go with data.name = synthetic" in err
        assert "name a set with 15 (as humaneva)" in err
        line += ["--set", "data.name=humaneva"]
    code, _, err = answer(*line)
    assert (code, err) == (OK, "")
    tensors, config, _ = load_weights(Path("o.safetensors"))
    assert (config.data.name, config.data.sizes.skeleton.name) == ("humaneva", "humaneva_15")
    assert all(torch.equal(tensors[key], tensor) for key, tensor in weights.items())


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", ["poseformer", "videopose3d"])
def test_a_temporal_lifters_checkpoint_tells_its_shape(answer, tmp_path, name, prefix):
    made_with = tiny_run(name, "store", data__frames=9, data__joints=16)
    torch.manual_seed(3)
    weights = registry.get(name).build(made_with.network, made_with.data.sizes).state_dict()
    named = {prefix + key: tensor for key, tensor in weights.items()}
    content = {
        "epoch": 80,
        "lr": 1e-4,
        "random_state": np.random.RandomState(1234),
        "optimizer": {},
        "model_pos": named,
    }
    published(content | {"model_traj": None, "random_state_semi": None}, tmp_path / "a.bin")
    heads = ["--set", "network.heads=2"] if name == "poseformer" else ["--set", "data.causal=true"]
    code, out, err = answer("import", name, "--weights", "a.bin", "--out", "o.safetensors", *heads)
    assert (code, err) == (OK, "")
    assert "data.frames = 9" in out
    tensors, config, facts = load_weights(Path("o.safetensors"))
    assert all(torch.equal(tensors[key], tensor) for key, tensor in weights.items())
    assert (config.data.frames, config.data.joints, facts["epoch"]) == (9, 16, 80)
    if name == "videopose3d":
        assert (config.network.channels, config.network.widths, config.data.causal) == (16, (), True)
    else:
        assert (config.network.embed_dim_ratio, config.network.depth, config.network.mlp_ratio) == (4, 2, 2.0)


def test_filter_widths_other_than_threes_are_told():
    infer = registry.get("videopose3d").infer
    shapes = {"expand_conv.weight": (8, 34, 3), "layers_conv.0.weight": (8, 8, 5), "layers_conv.1.weight": (8, 8, 1)}
    assert infer(shapes) == {"network.channels": 8, "network.widths": (3, 5), "data.frames": 15}


def test_weights_of_hmsft_are_refused_with_the_reason(answer, tmp_path):
    published({"model_pos": {"module.mystery.weight": torch.zeros(2)}}, tmp_path / "hmsft.bin")
    code, _, err = answer("import", "poseformer", "--weights", "hmsft.bin", "--out", "o.safetensors")
    assert code == BAD_INPUT
    assert "of a network that was never published" in err
    assert not Path("o.safetensors").exists()


def test_a_poseformer_checkpoint_says_its_sizes_and_the_recipe_its_heads(answer, tmp_path):
    model, shape = registry.get("poseformer"), {"network.embed_dim_ratio": 8, "network.depth": 2}
    config = default_config("poseformer", {**shape, "network.heads": 4, "data.frames": 9}, "tests")
    made = model.build(config.network, config.data.sizes).eval()
    torch.nn.init.normal_(made.Temporal_pos_embed)
    content = script_checkpoint(made.state_dict())
    content["model_pos"] = content.pop("state_dict")
    published(content, tmp_path / "best_epoch.bin")
    line = "import poseformer --weights best_epoch.bin --out ours.safetensors --set network.heads=4"
    code, out, err = answer(*line.split())
    assert (code, err) == (OK, "")
    told = "network.embed_dim_ratio = 8, data.joints = 17, data.frames = 9, network.depth = 2, network.qkv_bias = True"
    assert f"told by the weights: {told}, network.mlp_ratio = 2.0" in out
    assert "network.heads = 4" in out.split("taken from recipe cpn_27 and --set: ")[1]
    tensors, recorded, _ = load_weights(Path("ours.safetensors"))
    assert (recorded.network.heads, recorded.network.drop_path, recorded.data.frames) == (4, 0.1, 9)
    ours = model.build(recorded.network, recorded.data.sizes).eval()
    ours.load_state_dict(tensors)
    x = torch.randn(2, 9, 17, 2)
    assert torch.equal(ours.lift(x), made.lift(x))


def test_poseformer_heads_that_the_weights_cannot_have_are_refused(answer, tmp_path):
    # The first recipe says 8 heads, which 12 channels do not have.
    config = default_config("poseformer", {"network.embed_dim_ratio": 12, "network.heads": 4}, "tests")
    made = registry.get("poseformer").build(config.network, config.data.sizes)
    published({"model_pos": made.state_dict()}, tmp_path / "a.bin")
    code, _, err = answer("import", "poseformer", "--weights", "a.bin", "--out", "o.safetensors")
    assert code == BAD_INPUT
    assert "network.heads = 8 must divide embed_dim_ratio 12; legal near it: 6, 12" in err


GOLDEN = sorted((Path(__file__).parents[2] / "shared" / "parity").glob("graformer-*.npz"))


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
    space = read_space(Path(__file__).parents[1] / "spaces" / f"{name}.yaml")
    heads = [knob for knob in registry.get(name).network.__slots__ if "heads" in knob]
    for recipe in space.recipes:
        assert all(f"network.{knob}" in space.fixed(recipe) for knob in heads)


# --- Context-Aware PoseFormer


def image_network(**knobs):
    """A tiny trained-looking network, its config and its weights as the training script saves them."""
    small = {"network.trunk": "tiny", "network.embed_dim": 8, "network.depth": 2, "network.heads": 4}
    named = {path.replace("__", "."): value for path, value in knobs.items()}
    config = default_config("context_aware_poseformer", {**small, **named}, "tests")
    torch.manual_seed(4)
    made = registry.get("context_aware_poseformer").build(config.network, config.data.sizes)
    return made, config


def image_checkpoint(weights):
    """epoch, lr, model, optimizer, as published."""
    named = {f"module.{name}": tensor for name, tensor in weights.items()}
    return {"epoch": 24, "lr": 5e-4, "model": named, "optimizer": {"state": {}, "param_groups": []}}


@pytest.mark.parametrize("features", ["live", "cached"])
def test_a_context_aware_checkpoint_is_imported_whole_or_as_a_head_alone(answer, tmp_path, features):
    made, _ = image_network(network__points=3, network__context_heads=2)
    whole = made.state_dict()
    head = {name: tensor for name, tensor in whole.items() if name.startswith("volume_net.")}
    weights = whole if features == "live" else head
    published(image_checkpoint(weights), tmp_path / "best_epoch.bin")
    line = "import context_aware_poseformer --weights best_epoch.bin --out ours.safetensors --set network.heads=4"
    code, out, err = answer(*line.split())
    assert (code, err) == (OK, "")
    assert f"network.trunk = tiny, network.features = {features}, network.embed_dim = 8" in out
    tensors, config, facts = load_weights(Path("ours.safetensors"))
    assert tensors.keys() == weights.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in weights.items())
    assert (config.network.depth, config.network.points, config.network.context_heads) == (2, 3, 2)
    assert (facts["epoch"], facts["lr"]) == (24, 5e-4)


def test_a_context_aware_checkpoint_with_another_trunk_is_refused(answer, tmp_path):
    made, _ = image_network()
    published(image_checkpoint(made.state_dict()), tmp_path / "a.bin")
    base = "import context_aware_poseformer --weights a.bin --out o.safetensors"
    code, _, err = answer(*base.split(), "--set", "network.trunk=w48")
    assert code == BAD_INPUT
    assert "network.trunk = w48 was set, but these weights have tiny; leave it out" in err
    odd = {name: tensor for name, tensor in made.state_dict().items() if "stage4" not in name}
    odd["volume_net.feat_embed.0.weight"] = torch.zeros(8, 18)
    published(image_checkpoint(odd), tmp_path / "a.bin")
    code, _, err = answer(*base.split())
    assert code == BAD_INPUT
    assert "reads maps of 18, 16, 32, 64 channels, which no trunk here makes" in err
    del odd["volume_net.feat_embed.0.weight"]
    published(image_checkpoint(odd), tmp_path / "a.bin")
    code, _, err = answer(*base.split(), "--set", "network.heads=4", "--set", "network.trunk=tiny")
    assert code == BAD_INPUT
    assert "missing: backbone.stage4.0.branches.0.0.conv1.weight" in err
    assert "missing: volume_net.feat_embed.0.weight" in err
    assert not Path("o.safetensors").exists()
