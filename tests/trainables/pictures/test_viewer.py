"""The page of predictions: it holds them within half a millimetre, loads nothing, and escapes names."""

import base64
import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from data.poses.skeleton import H36M_17, HAND_21
from tests.trainables.pictures.test_render import STANDING
from trainables.models.mesh_graphormer.files import models_of
from trainables.pictures.rendering import render
from trainables.pictures.skeletons import Scene
from trainables.pictures.viewer import page
from trainables.pictures.viewer.page import Shown, Surfaces, write_page


def shown(frames=30, views=1, **other):
    rng = np.random.default_rng(2)
    content = {
        "title": "walk.json", "pose3d": (STANDING + 0.1 * rng.standard_normal((frames, 17, 3))).astype(np.float32),
        "keypoints": rng.uniform(0, 900, (views, frames, 17, 2)), "is_filled": np.zeros((views, frames), bool),
        "sizes": np.full((views, frames, 2), (1000, 600)), "skeleton": H36M_17, "fps": 50.0, **other,
    }  # fmt: skip
    return Shown(**content)


def written(content):
    file = io.BytesIO()
    write_page(file, content)
    return file.getvalue().decode()


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def numbers(text, *shape):
    return np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, *shape)


@pytest.mark.parametrize("views", [1, 4])
def test_poses_and_keypoints_are_in_the_page_as_they_are(views):
    content = shown(views=views)
    found = data_of(written(content))
    assert (found["count"], found["total"], found["every"], found["fps"]) == (30, 30, 1, 50)
    np.testing.assert_allclose(numbers(found["pose"], 17, 3) / 1000, content.pose3d, rtol=0, atol=0.00051)
    assert len(found["views"]) == views
    for view, points in zip(found["views"], content.keypoints, strict=True):
        assert view["sizes"] == [[1000, 600]]
        np.testing.assert_allclose(numbers(view["points"], 17, 2) / 10, points, rtol=0, atol=0.051)
    assert [tuple(bone) for bone in found["bones"]] == list(H36M_17.edges)
    assert [found["sides"][joint] for joint in (0, 1, 4)] == ["middle", "right", "left"]


def test_filled_frames_are_told_as_runs():
    filled = np.zeros((2, 30), bool)
    filled[0, [0, 1, 2, 9]] = filled[1, 29] = True
    views = data_of(written(shown(views=2, is_filled=filled)))["views"]
    assert [view["filled"] for view in views] == [[[0, 2], [9, 9]], [[29, 29]]]


def test_a_minute_of_four_views_is_a_small_file():
    assert len(written(shown(frames=3000, views=4))) < 2_000_000


def test_nothing_is_loaded_and_no_name_ends_an_element():
    name = "</script><b>walk&.json"
    text = written(shown(title=name, names=[name] * 30))
    assert not re.findall(
        r"""(?:src|href|url)\s*[=(]|@import|https?:|fetch\(|XMLHttp""", text.replace("photo.src = source", "")
    )
    assert "default-src 'none'" in text
    assert text.count("</script>") == 2
    assert "<b>" not in text
    assert "&lt;/script&gt;&lt;b&gt;walk&amp;.json" in text
    assert data_of(text)["names"] == ["script><b>walk&.json"] * 30  # as a path's last part


def test_images_are_shown_small_unless_they_are_many(monkeypatch):
    asked = []

    def photo(at):
        asked.append(at)
        return Image.new("RGB", (1600, 900), (10 * at, 0, 0))

    sizes = np.full((1, 3, 2), (1600, 900))
    content = shown(frames=3, sizes=sizes, names=("a/x.jpg", "y.jpg", "z.jpg"), photo=photo)
    found = data_of(written(content))
    assert found["names"] == ["x.jpg", "y.jpg", "z.jpg"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(one.partition(",")[2]))) for one in found["photos"]]
    assert [one.size for one in pictures] == [(480, 270)] * 3
    assert asked == [0, 1, 2]
    monkeypatch.setattr(page, "MOST_PHOTOS", 2)
    assert data_of(written(content))["photos"] == []


def test_meshes_share_their_faces_and_a_long_film_of_them_is_thinned():
    rng = np.random.default_rng(0)
    vertices = rng.uniform(-0.1, 0.1, (4, 778, 3)).astype(np.float32)
    right = rng.integers(0, 778, (1500, 3))
    left = right[:, ::-1].copy()
    surfaces = Surfaces(vertices=vertices, faces=[right, left, right, left])
    facts = {"skeleton": HAND_21, "pose3d": np.zeros((4, 21, 3), np.float32), "keypoints": np.zeros((1, 4, 21, 2))}
    content = shown(frames=4, fps=5.0, surfaces=surfaces, **facts)
    found = data_of(written(content))["mesh"]
    np.testing.assert_allclose(numbers(found["points"], 778, 3) / 10_000, vertices, rtol=0, atol=0.000051)
    assert found["kinds"] == [0, 1, 0, 1]
    for packed, faces in zip(found["faces"], (right, left), strict=True):
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(packed), "<u2").reshape(-1, 3), faces)
    fast = shown(frames=4, fps=60.0, surfaces=surfaces, **facts)
    assert data_of(written(fast))["count"] == 2
    assert page.facts_of(fast) == "4 frames, 21 joints, 778 vertices, 60 a second; one frame in 3 is shown"


def test_the_ending_decides_between_page_and_film(capsys):
    content = shown(frames=2)
    scene = Scene(
        pose3d=content.pose3d, keypoints=content.keypoints, is_filled=content.is_filled, skeleton=H36M_17,
        sizes=content.sizes, fps=50.0,
    )  # fmt: skip
    for suffix, start in ((".html", b"<!DOCTYPE html>"), (".gif", b"GIF")):
        file = io.BytesIO()
        render(scene, file, suffix, "walk.json")
        assert file.getvalue().startswith(start)
    assert capsys.readouterr().out == "rendering 1 frames, one in 2, 25 a second\n"


# Virtual time, which a browser without a window passes in no time, draws few frames of its own. As with real ones the
# time of a frame is that of its begin, which may lie before what asked for it.
CLOCK = "<script>window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now() - 300), 16);</script>"
PROBE = """<script>
const byId = (id) => document.getElementById(id), marks = [];
const inked = (id) => {
  const { data } = byId(id).getContext("2d").getImageData(0, 0, byId(id).width, byId(id).height);
  let sum = 0;
  for (let at = 3; at < data.length; at += 4) sum += data[at] > 0 ? at % 9973 : 0;
  return sum;
};
const mark = () => marks.push([byId("play").textContent, byId("time").value, inked("image"), inked("pose")]);
const point = (kind, x, y) => byId("pose").dispatchEvent(
  new PointerEvent(kind, { clientX: x, clientY: y, pointerId: 1, bubbles: true }));
const steps = [
  mark,
  () => { byId("time").value = "3"; byId("time").dispatchEvent(new Event("input")); },
  mark,
  () => { byId("pose").setPointerCapture = () => {}; point("pointerdown", 500, 200); point("pointermove", 560, 190); },
  mark,
  () => { point("pointerup", 560, 190); byId("pose").dispatchEvent(new Event("dblclick")); },
  mark,
  () => document.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true })),
  mark,
  () => { document.title = JSON.stringify(marks); },
];
steps.forEach((step, at) => setTimeout(step, 300 + 60 * at));
</script>"""


@pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium here to show a page")
@pytest.mark.parametrize("is_mesh", [False, True])
def test_a_browser_plays_stops_and_turns_the_page(tmp_path, is_mesh):
    model = models_of("hand", "")[0]
    meshes = Surfaces(vertices=model.v_template.astype(np.float32)[None].repeat(200, 0), faces=[model.faces] * 200)
    path = tmp_path / "page.html"
    text = written(shown(frames=200, fps=20.0, surfaces=meshes if is_mesh else None))
    path.write_text(text.replace("<style>", f"{CLOCK}<style>").replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    words = ["--headless", "--no-sandbox", "--window-size=1000,700", "--virtual-time-budget=1500", "--dump-dom"]
    words += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
    done = subprocess.run(["chromium", *words], capture_output=True, text=True, check=False, timeout=120)
    assert "Uncaught" not in done.stderr, done.stderr
    marks = json.loads(html.unescape(re.search("<title>(.*?)</title>", done.stdout)[1]))
    playing, stopped, turned, back, again = marks
    assert (playing[0], stopped[:2], again[0]) == ("Pause", ["Play", "3"], "Pause")
    assert int(playing[1]) > 0
    assert min(playing[2:]) > 0
    assert turned[:3] == stopped[:3]
    assert turned[3] != stopped[3]
    assert back == stopped
