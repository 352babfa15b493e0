"""The average over crops of several sizes and turns: its runs, its alignment, and what it is scored as."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from data.batches import meshes as mesh_module
from data.batches.samples import open_samples
from data.config import DataConfig
from data.images.mesh_crops import Boxed, Change
from data.poses.geometry import procrustes
from data.synthetic.meshes.mesh_sets import write_mesh_set
from spaces.schema import dump
from tests.made.meshes import made_image, made_set
from trainables import registry
from trainables.cli.evaluate import EvaluateRequest, multiscale_problems
from trainables.config import default_config
from trainables.entry import Meshes
from trainables.runs.evaluate import evaluate, evaluate_weights
from trainables.scoring import multiscale
from trainables.scoring.evaluation import meshes_of
from trainables.scoring.multiscale import RUNS, averaged
from trainables.scoring.tables import table_text
from trainables.weights.checkpoint import save_weights

CPU = torch.device("cpu")


def meshes(seed, count=3):
    torch.manual_seed(seed)
    return Meshes(joints=torch.randn(count, 21, 3), vertices=torch.randn(count, 60, 3), camera=torch.randn(count, 3))


def boxed(count=3):
    images = tuple(made_image(number) for number in range(count))
    return Boxed(images=images, center=np.full((count, 2), 50.0), scale=np.full(count, 0.2))


def turned(points, run):
    """Points [..., 3] as they look in a crop of this zoom and turn, and out of place."""
    zoom, angle = run[0], np.radians(run[1])
    about = torch.tensor([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]).float()
    return points @ about.T / zoom + 0.3


def test_there_are_95_runs_of_five_sizes_and_19_turns():
    assert len(RUNS) == len(set(RUNS)) == 95
    assert {zoom for zoom, _ in RUNS} == {0.7, 0.8, 0.9, 1.0, 1.1}
    assert {turn for _, turn in RUNS} == set(range(-90, 91, 10))


@pytest.mark.parametrize("threads", [1, 3])
def test_meshes_that_turn_and_grow_with_their_crops_average_back_to_the_plain_ones(threads):
    plain, left = meshes(1), [run for run in RUNS if run != (1.0, 0.0)]
    given, seen = boxed(), []

    def find(crops):
        run = left[len(seen)]
        assert np.array_equal(crops, given.crops(*run)), run
        seen.append(run)
        return Meshes(joints=turned(plain.joints, run), vertices=turned(plain.vertices, run), camera=plain.camera * 9)

    found = averaged(find, given, plain, threads)
    assert len(seen) == 94  # the plain run is there already
    for name in ("joints", "vertices"):
        # 95 float32 sums of numbers of some units
        torch.testing.assert_close(getattr(found, name), getattr(plain, name), rtol=0, atol=2e-5)
    assert torch.equal(found.camera, plain.camera)


def test_the_plain_run_counts_twice_and_joints_and_vertices_are_aligned_by_themselves_without_reflection():
    plain, other = meshes(1), meshes(2)
    other = dataclasses.replace(other, vertices=plain.vertices * torch.tensor((-1.0, 1.0, 1.0)))
    found = averaged(lambda _: other, boxed(), plain, 1)
    for name in ("joints", "vertices"):
        one, two = getattr(plain, name), getattr(other, name)
        expected = (2 * one + 94 * procrustes(two, one)) / 96
        torch.testing.assert_close(getattr(found, name), expected, rtol=0, atol=2e-5)
    assert (found.vertices - plain.vertices).abs().max() > 0.1  # a mirrored mesh is another one


def test_crops_of_a_run_are_what_training_makes_of_such_a_change(tmp_path, monkeypatch):
    made_set(tmp_path, "hand")
    data = open_samples(DataConfig(name="own_hand", root=str(tmp_path)), ("test",), device=CPU)
    index = data.order("test", 0, 0)
    for zoom, turn in ((1.0, 0.0), (0.7, -90.0), (1.1, 30.0)):
        change = Change(turn=np.full(4, turn), zoom=np.full(4, zoom), gain=np.ones((4, 3)), mirrored=np.zeros(4, bool))
        monkeypatch.setattr(mesh_module.MeshModule, "_changes", lambda *_, change=change: change)
        trained = data._load("test", index.numpy(), ("image",), False).image
        assert np.array_equal(data.boxed("test", index).crops(zoom, turn), trained), (zoom, turn)


def test_a_quarter_turn_turns_the_crop_counterclockwise():
    pixels = np.zeros((224, 224, 3), np.uint8)
    pixels[:112, :100] = 255
    given = Boxed(images=(Image.fromarray(pixels),), center=np.full((1, 2), 112.0), scale=np.array([1.12]))
    plain, quarter = given.crops()[0, 0], given.crops(turn=90.0)[0, 0]
    assert np.array_equal(plain.transpose(1, 2, 0), pixels)
    # Corners come from beyond the image by rounding.
    assert np.mean(quarter == np.rot90(plain, axes=(1, 2))) > 0.98


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("multiscale")
    write_mesh_set(root / "synthetic_hand", "hand", 0, 20)
    tiny = {**registry.get("mesh_graphormer").tiny, "data.name": "synthetic_hand", "data.root": str(root)}
    config = default_config("mesh_graphormer", tiny, "tests")
    network = registry.get("mesh_graphormer").build(config.network, config.data.sizes)
    save_weights(root / "w.safetensors", network.state_dict(), config, {"epoch": 1})
    (root / "c.yaml").write_text(dump(config))
    return root, config, network.eval()


def test_evaluation_scores_the_averaged_meshes(home, monkeypatch):
    root, config, network = home
    monkeypatch.setattr(multiscale, "RUNS", RUNS[::10])  # all of them take seconds
    plain = evaluate_weights(config, root / "w.safetensors", flip=False)
    found = evaluate_weights(config, root / "w.safetensors", flip=False, multiscale=True)
    assert (plain["protocol"]["multiscale"], found["protocol"]["multiscale"]) == (False, True)
    lines = [table_text(result).splitlines() for result in (plain, found)]
    for (told, head, row), crops in zip(lines, ("one crop", "average of 95 crops"), strict=True):
        assert f"test.yaml: 2 images of a hand, {crops} each; weights of" in told
        assert head.split()[:3] == ["images", "mpjpe_mm", "mpvpe_mm"]
        assert row.split()[0] == "all"
    model = registry.get("mesh_graphormer")
    data = open_samples(config.data, ("test",), device=CPU, reads=config.traits.reads)
    with torch.no_grad():
        index = data.order("test", 0, 0)
        prediction = network(data.gather("test", index, config.traits.reads))
        mean = averaged(meshes_of(network, model, CPU), data.boxed("test", index), model.meshes(prediction), 1)
        scores = model.scores(prediction, mean)
    assert len(scores) == len(plain["metrics"]["frame_mean"]) > 4
    for name, (values, weight) in scores.items():
        score = found["metrics"]["frame_mean"][name]
        assert score == pytest.approx(float((values * weight).sum() / weight.sum()), rel=1e-5), name
    assert found["metrics"]["frame_mean"]["mpjpe_mm"] != plain["metrics"]["frame_mean"]["mpjpe_mm"]


def test_only_meshes_of_hands_are_averaged():
    for model, name, told in (("mesh_graphormer", "3dpw", "not for bodies"), ("graformer", "h36m", "not for poses")):
        config = default_config(model, {"data.name": name}, "tests")
        assert told in multiscale_problems(True, config)[0]
        assert multiscale_problems(False, config) == []


def test_evaluate_says_that_it_passes_95_times_before_it_does(home, capsys):
    root, config, _ = home
    request = EvaluateRequest(config=config, weights=root / "none", flip=False, multiscale=True, as_json=True)
    with pytest.raises(ValueError, match="no such weights"):
        evaluate(request)
    out = capsys.readouterr()
    assert out.err.startswith("95 passes over the images")
    assert out.out == ""
