"""Pictures of the best weights on images of val: what they show, and their way into MLflow."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.batches.samples import open_samples
from data.formats.meshes.mesh_tsv import MeshSet
from data.images.crops import decode
from data.synthetic.meshes.mesh_sets import write_mesh_set
from search.environment.store import environment
from search.record.journal import trial_folder
from search.results.pictures import draw_best
from search.tracking.projection import PICTURE
from tests.made.records import OBJECTIVE, Flaky, add_end, add_epoch, add_trial, made_journal, send
from tests.made.small import tiny_config
from trainables import registry
from trainables.config import default_config
from trainables.pictures.meshes import mesh_picture
from trainables.pictures.sheets import PANEL, STRIP
from trainables.pictures.validation import COLUMNS, SHOWN, draw_val, has_pictures
from trainables.runs.names import BEST
from trainables.weights.checkpoint import save_weights

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from search.tracking.memory import MemoryTracker  # noqa: E402

WIDTH, HEIGHT = 2 * PANEL, PANEL + 2 * STRIP


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("meshes")
    write_mesh_set(root / "synthetic_hand", "hand", 0, 90)
    return root


def hand_config(store: Path):
    tiny = registry.get("mesh_graphormer").tiny
    values = {**tiny, "data.name": "synthetic_hand", "data.root": str(store), "loop.select": "val/mpvpe_mm"}
    return default_config("mesh_graphormer", values, "tests")


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    """The folder of a run, its config and its network, whose camera puts the hand into the image."""
    config, folder = hand_config(store), tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    network = registry.get("mesh_graphormer").build(config.network, config.data.sizes).eval()
    with torch.no_grad():
        network.cam_param_fc3.bias.copy_(torch.tensor((6.0, 0.0, 0.0)))
    save_weights(folder / BEST, network.state_dict(), config, {"epoch": 1})
    return folder, config, network


def test_a_picture_shows_what_the_network_finds_in_images_from_the_first_to_the_last(store, trained, tmp_path):
    folder, config, network = trained
    draw_val(config, folder / BEST, tmp_path / "val.png")
    sheet = Image.open(tmp_path / "val.png")
    assert sheet.size == (COLUMNS * WIDTH, -(-SHOWN // COLUMNS) * HEIGHT)
    val = MeshSet(store / "synthetic_hand" / "val.yaml", "hand")
    data = open_samples(config.data, ("val",), device=torch.device("cpu"), reads=config.traits.reads)
    model = registry.get("mesh_graphormer")
    assert len(val) == 9
    for place, row in {0: 0, 5: 8}.items():
        with torch.no_grad():
            prediction = network(data.gather("val", torch.tensor([row]), config.traits.reads))
        found, label = model.meshes(prediction), val.label(row)
        expected = mesh_picture(
            decode(val.jpeg(row)),
            found.vertices[0].numpy(),
            model.surface(network).faces,
            found.camera[0].numpy(),
            (*label.center, label.scale * 200),
            f"{val.key(row)}   mpvpe_mm {float(model.scores(prediction)['mpvpe_mm'][0][0]):.1f}",
        )
        corner = place % COLUMNS * WIDTH, place // COLUMNS * HEIGHT
        drawn = sheet.crop((*corner, corner[0] + WIDTH, corner[1] + HEIGHT))
        # Six images at once and one alone: rounding may move an edge.
        assert (np.abs(np.asarray(drawn).astype(int) - np.asarray(expected)).max(-1) > 8).mean() < 0.01


def closed_sweep(folder: Path, trained, *, is_single: bool = False):
    """The journal of a sweep of one trial that has come to its end as `search.sweep.run` brings it about."""
    run, config, _ = trained
    journal = made_journal(folder, **({"single": True} if is_single else {}))
    add_trial(journal, 0)
    add_epoch(journal, 0, 1, 50.0)
    add_end(journal, 0, "finished")
    home = folder if is_single else trial_folder(folder, 0)
    home.mkdir(parents=True, exist_ok=True)
    (home / BEST).write_bytes((run / BEST).read_bytes())
    journal.close("done", has_pictures=draw_best(config, home, "trial 0"))
    journal.unlock()
    return journal, home


@pytest.mark.parametrize("is_single", [False, True], ids=["sweep", "train"])
def test_the_pictures_of_the_best_wait_on_disk_until_the_server_takes_them(trained, tmp_path, is_single, capsys):
    journal, home = closed_sweep(tmp_path / "s1", trained, is_single=is_single)
    assert capsys.readouterr().out == f"meshes of trial 0 on images of val: {home / PICTURE}\n"
    tracker = MemoryTracker()
    down = send(journal, Flaky(tracker, lambda *_: True))
    assert down.pending() > 0
    assert (tracker.runs, down.problems) == ({}, [])
    assert send(journal, tracker).pending() == 0
    (run,) = [run for run in tracker.runs.values() if BEST in run.files]
    assert run.files["pictures/val.png"] == (home / PICTURE).read_bytes()
    assert (run.tags["trial"], OBJECTIVE in run.points) == ("0", True)


def test_pictures_that_are_gone_or_refused_are_reported_and_nothing_else_is_lost(trained, tmp_path):
    journal, home = closed_sweep(tmp_path / "s1", trained)
    tracker = MemoryTracker()
    refused = send(journal, Flaky(tracker, lambda name, values: name == "artifact" and values[-1] == "pictures"))
    (home / PICTURE).unlink()
    gone = send(journal, MemoryTracker(), "http://elsewhere:5000")
    assert (refused.pending(), gone.pending()) == (0, 0)
    (refusal,), (absence,) = refused.problems, gone.problems
    assert "kind 'close'" in refusal
    assert "the pictures of trial 0 were not sent" in absence
    (run,) = [run for run in tracker.runs.values() if BEST in run.files]
    assert not any("png" in name for name in run.files)


def test_what_cannot_be_drawn_is_told_in_one_line_and_ends_nothing(trained, tmp_path, capsys):
    _, config, _ = trained
    (tmp_path / "pictures").mkdir()
    (tmp_path / PICTURE).write_bytes(b"of an earlier best epoch")
    assert not draw_best(config, tmp_path, "trial 7")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("the meshes of trial 7 were not drawn: DataError: ")
    assert "there is no such weights file" in err
    assert not (tmp_path / PICTURE).exists()


def test_a_model_without_meshes_has_no_pictures(tmp_path, capsys):
    config = tiny_config(tmp_path)
    assert not has_pictures(config)
    assert not draw_best(config, tmp_path, "trial 0")
    assert capsys.readouterr() == ("", "")
