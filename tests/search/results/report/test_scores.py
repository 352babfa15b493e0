"""Test scores of a report: the numbers of `evaluate`, kept and used again, or refused with the reason."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch

from data.batches.poses import DataModule
from data.formats.source import read_poses
from data.synthetic.meshes.mesh_sets import write_mesh_set
from search.notebook.sweep import Sweep
from search.record.journal import trial_folder
from search.results.report.kept import FILE as KEPT
from search.results.report.kept import read_tested
from search.results.report.report import page_on
from tests import ROOT
from tests.made.small_meshes import SET
from tests.search.cli.test_printed import taken
from tests.search.results.report.pages import Read, clips_of
from tests.search.results.report.weighty import as_single, put_weights, weighty, weighty_sweep
from trainables import registry
from trainables.config import config_from
from trainables.prediction.videos import UPRIGHT
from trainables.runs.evaluate import evaluate_weights
from trainables.runs.names import BEST
from trainables.scoring.evaluation import as_scored, predicted
from trainables.weights.checkpoint import load_into

MOST = 300_000  # characters of the clips of a page
KINDS = {
    "one frame": ("graformer", {}),
    "many frames": ("poseformer", {}),
    "many views, world axes": ("sgraformer", {"data.axes": "world"}),
}


def config_of(journal, number):
    return config_from(journal.trials[number].config, "tests")


# --- the numbers


@pytest.mark.parametrize("kind", KINDS)
def test_scores_and_poses_are_those_of_evaluation(place, say, kind):
    model, changes = KINDS[kind]
    journal = weighty_sweep(*place, model, changes=changes)
    out, page = say("first")
    assert "test scores" not in out
    kept, folder = read_tested(journal.path.parent), journal.path.parent
    assert [side.weights.trial for side in kept.sides] == [2, 0]
    for side in kept.sides:
        weights = trial_folder(folder, side.weights.trial) / BEST
        expected = evaluate_weights(config_of(journal, side.weights.trial), weights, flip=False)
        assert side.frame_mean == expected["metrics"]["frame_mean"]
        assert side.action_mean == expected["metrics"]["action_mean"]
        assert side.per_action == expected["per_action"]
        assert f"{side.frame_mean['mpjpe_mm']:.2f}" in page.texts["td"]
    check_clips(kept, journal)
    assert len(clips_of(page)) == len(kept.clips) == 4
    assert sum(len(json.dumps(one, separators=(",", ":"))) for one in clips_of(page)) < MOST
    figure = next(one for one in page.figures if "data" in one and one["data"][0].get("orientation") == "h"
                  and one["data"][0].get("name") == "best, trial 2")  # fmt: skip
    best, recipe, gap = figure["data"]
    assert best["y"] == [*kept.sides[0].per_action, "action mean"]
    assert best["x"][0] == pytest.approx(next(iter(kept.sides[0].per_action.values()))["mpjpe_mm"], rel=1e-5)
    assert gap["x"] == pytest.approx([a - b for a, b in zip(best["x"], recipe["x"], strict=True)], abs=1e-2)


def check_clips(kept, journal):
    """The kept clips against poses that are predicted anew: the winner's best and worst ones, within a millimetre."""
    config = config_of(journal, 2)
    poses, split = read_poses(config.data, ("test",))
    data = DataModule(poses, split, config.data, parts=("test",))
    truth, spans = data.truth("test").pose3d, {span.name: span for span in data.spans("test")}
    turn = UPRIGHT if config.data.axes == "world" else np.eye(3)
    found = []
    for side in kept.sides:
        config = config_of(journal, side.weights.trial)
        network = registry.get(config.model).build(config.network, config.data.sizes).eval()
        load_into(network, trial_folder(journal.path.parent, side.weights.trial) / BEST, config)
        found.append(as_scored(predicted(network, config, data, "test", 0, len(truth)), data))
    errors = (found[0] - truth).norm(dim=-1).mean(-1) * 1000
    assert [clip.is_best for clip in kept.clips] == [True, True, False, False]
    for clip, extreme in ((kept.clips[0], errors.min()), (kept.clips[2], errors.max())):
        assert clip.errors[0][clip.at] == pytest.approx(float(extreme), abs=0.1)
    for clip in kept.clips:
        rows = torch.tensor(clip.frames) + spans[clip.name].first
        for shown, expected in zip([clip.truth, *clip.poses], [truth, *found], strict=True):
            points = np.array(shown).reshape(len(rows), -1, 3)
            assert np.abs(points - expected[rows].numpy() @ turn.T * 1000).max() < 1


def test_the_clip_on_a_page_begins_with_the_pose_that_chose_it(sweep, say):
    page = say("first")[1]
    clip = read_tested(sweep.path.parent).clips[0]
    shown = clips_of(page)[0]
    assert (shown["frames"][shown["at"]], shown["truth"], shown["poses"]) == (
        clip.frames[clip.at],
        clip.truth,
        clip.poses,
    )
    assert f"Best: {clip.name}, frame {clip.frames[clip.at]}, {clip.errors[0][clip.at]:.1f} mm" in page.texts["h4"]
    assert clip.name.startswith("S9, ")
    assert f"{clip.errors[0][clip.at]:.1f} mm" in page.texts["b"]


# --- kept


def test_a_second_report_uses_what_the_first_has_kept(sweep, say, never):
    first = say("first")[1]
    never()
    out, second = say("first")
    assert "test scores" not in out
    assert second.figures == first.figures
    assert len(clips_of(second)) == 4
    assert len(clips_of(say("first", "--no-scores")[1])) == 4
    assert len(clips_of(Read(page_on(sweep.path.parent)))) == 4, "the one that a sweep makes at its end"
    (trial_folder(sweep.path.parent, 2) / BEST).unlink()
    assert len(clips_of(say("first")[1])) == 4, "weights that were removed later"


def test_a_report_with_kept_scores_loads_no_torch(sweep, say, place):
    say("first")
    words = ["report", "first", "--storage", str(place[0]), "--out", str(place[0].parent / "s.html")]
    source = "import sys; from search.__main__ import VERBS; from spaces.cli import main; "
    source += f"main('search', '', VERBS, {words}); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Best and worst test poses" in (place[0].parent / "s.html").read_text(encoding="utf-8")


def test_scores_of_other_weights_data_or_sweeps_are_not_used(sweep, say, never, place):
    say("first")
    never()
    folder = sweep.path.parent
    kept = (folder / KEPT).read_text()
    for old, new in (('"sweep":"id-of-first"', '"sweep":"id"'), ('"version":1', '"version":0'), ("{", "")):
        (folder / KEPT).write_text(kept.replace(old, new, 1))
        out, page = say("first")
        assert "AssertionError: scored" in out
        assert clips_of(page) == []
    (folder / KEPT).write_text(kept)
    assert len(clips_of(say("first")[1])) == 4
    put_weights(folder, config_of(sweep, 2), 2, seed=9)
    assert "AssertionError: scored" in say("first")[0]
    assert "are of other weights" in say("first", "--no-scores")[1].texts["p"]


def test_a_recipe_without_weights_is_told_and_scored_once_it_has_some(sweep, say, never):
    home = trial_folder(sweep.path.parent, 0)
    (home / BEST).rename(home / "away")
    out, page = say("first")
    assert "test scores of first: trial 0 has no weights at " in out
    assert "Lacking: trial 0 has no weights at " in page.texts["p"]
    assert [len(clip["poses"]) for clip in clips_of(page)] == [1] * 4
    (home / "away").rename(home / BEST)
    assert [len(clip["poses"]) for clip in clips_of(say("first")[1])] == [2] * 4
    never()
    assert "test scores" not in say("first")[0]


# --- not scored


def without_weights(journal, place):
    (trial_folder(journal.path.parent, 2) / BEST).unlink()


def without_data(journal, place):
    for path in place[1].iterdir():
        path.unlink()


def with_other_data(journal, place):
    without_data(journal, place)
    weighty_sweep(place[0], place[1], name="other", frames=30)


def with_damaged_weights(journal, place):
    (trial_folder(journal.path.parent, 2) / BEST).write_bytes(b"no weights")


def running(journal, place):
    journal.lock()


@pytest.mark.parametrize(
    ("prevent", "why"),
    [
        (without_weights, "trial 2 has no weights at "),
        (without_data, "no such split, and no set of that name in "),
        (with_other_data, "has the fingerprint "),
        (with_damaged_weights, "is no readable safetensors file"),
        (running, "the sweep is running, and its best trial may change"),
    ],
)
def test_what_prevents_scores_is_told_in_a_report_that_has_all_else(sweep, place, say, prevent, why):
    prevent(sweep, place)
    out, page = say("first")
    sweep.unlock()
    assert out.startswith("report of first -> r.html (")
    (line,) = out.splitlines()[1:]
    assert line.startswith("test scores of first: ")
    assert why in line
    assert why in page.texts["p"]
    assert "Errors by action" not in page.texts["h3"]
    assert not (sweep.path.parent / KEPT).exists()
    words = next(shlex.split(line) for line in page.texts["code"].splitlines() if " report " in line)
    assert taken(words).has_scores


def test_the_report_of_a_closing_sweep_scores_nothing_and_says_what_does(sweep, never):
    never()
    page = Read(page_on(sweep.path.parent))
    assert clips_of(page) == []
    assert "selects on validation subjects and never looks at the test subjects" in page.texts["p"]
    assert "report first --out first-scored.html" in page.texts["code"]


def test_no_scores_leaves_them_out(sweep, say, never):
    never()
    out, page = say("first", "--no-scores")
    assert out.count("\n") == 1
    assert not (sweep.path.parent / KEPT).exists()
    assert "A report with errors by action" in page.texts["p"]


def test_a_notebook_says_whether_to_score(sweep, place, never):
    never()
    Sweep(sweep.path.parent).report(place[0].parent / "a.html", no_scores=True)
    assert not (sweep.path.parent / KEPT).exists()


def test_scores_that_cannot_be_kept_are_shown(sweep, say, monkeypatch):
    (sweep.path.parent / KEPT).mkdir()
    out, page = say("first")
    assert "test scores of first: not kept: " in out
    assert len(clips_of(page)) == 4


# --- other kinds


def test_a_single_run_has_its_own_scores_alone(sweep, say, place):
    as_single(sweep)
    out, page = say("first")
    assert "test scores" not in out
    assert [len(clip["poses"]) for clip in clips_of(page)] == [1] * 4
    line = next(line for line in page.texts["code"].splitlines() if " evaluate " in line)
    assert str(sweep.path.parent / BEST) in line


def test_meshes_have_metrics_and_no_motion(place, say):
    write_mesh_set(place[1] / SET, "hand", 0, 10)
    changes = {**registry.get("mesh_graphormer").tiny, "data.name": SET, "data.root": str(place[1])}
    journal = weighty(place[0], "mesh_graphormer", "first", {**changes, "loop.batch": 12, "loop.epochs": 2})
    out, page = say("first")
    assert "test scores" not in out
    side = read_tested(journal.path.parent).sides[0]
    expected = evaluate_weights(config_of(journal, 2), trial_folder(journal.path.parent, 2) / BEST, flip=False)
    assert side.frame_mean == expected["metrics"]["frame_mean"]
    assert f"{side.frame_mean['mpvpe_mm']:.2f}" in page.texts["td"]
    assert "single images, so there is no motion" in page.texts["p"]


def test_sweeps_side_by_side_show_what_is_kept_and_score_nothing(place, say, never):
    for name in ("first", "second", "third"):
        weighty_sweep(*place, name=name)
    assert "Test scores" not in say("second", "third")[1].headings
    say("first")
    say("second")
    never()
    out, page = say("first", "second", "third")
    assert out.count("\n") == 1
    (figure,) = [one for one in page.figures if one["data"][0]["type"] == "bar"]
    assert [trace["name"] for trace in figure["data"]] == ["first, trial 2", "second, trial 2"]
    words = next(shlex.split(line) for line in page.texts["code"].splitlines() if "third-scored" in line)
    assert taken(words).names == ("third",)
