"""Films: they open, last as long as the video, and show the person upright, whole, and in two colours."""

import dataclasses
import hashlib
import io

import av
import numpy as np
import PIL
import pytest
from PIL import Image, ImageColor

from data.inputs.photos import Photos
from data.poses.skeleton import H36M_17, MPI_INF_3DHP_17
from data.synthetic.poses.mpi_inf_3dhp import JOINTS as JOINTS_3DHP
from trainables.pictures import skeletons as drawing
from trainables.pictures.sheets import PANEL, STRIP
from trainables.pictures.skeletons import Scene, pictures, render

# A person 1.7 m tall facing the camera: his left is at the image's right.
STANDING = np.array(
    [
        *((0, 0, 0), (-0.13, 0, 0), (-0.13, 0.45, 0), (-0.13, 0.9, 0), (0.13, 0, 0), (0.13, 0.45, 0), (0.13, 0.9, 0)),
        *((0, -0.25, 0), (0, -0.5, 0), (0, -0.6, -0.08), (0, -0.75, 0)),
        *((0.17, -0.45, 0), (0.45, -0.45, 0), (0.7, -0.45, 0), (-0.17, -0.45, 0), (-0.45, -0.45, 0), (-0.7, -0.45, 0)),
    ],
    np.float32,
)


def scene(frames=20, fps=25.0, width=1000, height=600, poses=None):
    pose3d = np.repeat(STANDING[None], frames, 0) if poses is None else poses
    frames = len(pose3d)
    keypoints = pose3d[..., :2].astype(float) * 200 + (width / 2, height / 2)
    return Scene(
        pose3d=pose3d,
        keypoints=keypoints[None],
        is_filled=np.arange(frames)[None] == 3,
        skeleton=H36M_17,
        sizes=np.full((1, frames, 2), (width, height)),
        fps=fps,
    )


def film(shown, suffix):
    file = io.BytesIO()
    render(shown, file, suffix)
    file.seek(0)
    with av.open(file) as container:
        frames = [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in container.decode(0)
        ]
    return [time for time, _ in frames], [picture for _, picture in frames]


def near(picture, colour, reach=40):
    """Rows and columns of the pixels of about that colour."""
    return np.argwhere(np.abs(picture.astype(int) - ImageColor.getrgb(colour)).max(-1) < reach)


def test_the_first_joint_has_its_bone_where_it_is_not_the_root():
    shown = scene(1)
    moved = shown.keypoints[:, :, JOINTS_3DHP].copy()
    moved[0, 0, 0] = (950, 30)  # the top of the head, far from everything else
    pose3d = shown.pose3d[:, JOINTS_3DHP]
    shown = dataclasses.replace(shown, skeleton=MPI_INF_3DHP_17, keypoints=moved, pose3d=pose3d)
    (picture,) = pictures(shown)
    drawn = near(np.asarray(picture)[STRIP:-STRIP, :PANEL], drawing.MIDDLE)
    across = drawing.MARGIN + 950 / 1000 * (PANEL - 2 * drawing.MARGIN)
    assert (np.abs(drawn[:, 1] - across) < 6).any()


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_film_opens_again_with_every_frame_at_its_time(suffix):
    times, frames = film(scene(20, 25.0), suffix)
    assert len(frames) == 20
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=1e-6)
    assert frames[0].shape == (PANEL + 2 * STRIP, 2 * PANEL, 3)
    for drawn, read in zip(pictures(scene(20, 25.0)), frames, strict=True):
        # What either format loses is small; another frame or another picture would be far off.
        assert np.abs(np.asarray(drawn).astype(int) - read).mean() < 3


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
@pytest.mark.parametrize(("fps", "frames", "every"), [(50.0, 30, 2), (60.0, 30, 3), (30.0, 30, 2), (12.5, 8, 1)])
def test_a_fast_video_is_thinned_and_keeps_its_pace(suffix, fps, frames, every):
    times, shown = film(scene(frames, fps), suffix)
    assert len(shown) == -(-frames // every)
    # A GIF counts hundredths of a second.
    np.testing.assert_allclose(times, np.arange(0, frames, every) / fps, atol=0.0051)


def test_the_person_stands_upright_with_left_and_right_where_they_are():
    picture = np.asarray(next(pictures(scene())))
    for start in (0, PANEL):
        panel = picture[STRIP:-STRIP, start : start + PANEL]
        left, right = near(panel, drawing.LEFT), near(panel, drawing.RIGHT)
        assert left[:, 1].mean() > right[:, 1].mean() + 30
        spine = near(panel, drawing.MIDDLE)
        assert spine[:, 0].mean() < left[:, 0].max() - 30  # the trunk is above the feet


def test_no_limb_is_cut_at_any_angle_or_pose():
    reach = STANDING.copy()
    reach[13], reach[16] = (0, -0.45, 1.2), (0, -1.4, 0)
    lying = STANDING[:, [1, 0, 2]] * 1.2
    poses = np.concatenate([np.repeat(pose[None], 100, 0) for pose in (STANDING, reach, lying)])
    view = drawing._View(scene(poses=poses))
    rim = 4 * drawing.SMOOTH
    for at in range(0, 300, 10):
        panel = np.asarray(view.panel(at))
        inside = panel[rim:-rim, rim:-rim]
        assert (panel == 255).all() or (inside != 255).any()
        border = panel.copy()
        border[rim:-rim, rim:-rim] = 255
        assert (border == 255).all(), at


def test_the_lowest_joint_of_every_frame_stands_on_one_ground():
    poses = np.stack([STANDING, STANDING + np.array((0, 0.4, 0), np.float32), STANDING[::1] * 0.8])
    view = drawing._View(scene(poses=poses))
    lowest = []
    for at in range(3):
        panel = np.asarray(view.panel(at))
        lowest.append(max(near(panel, drawing.LEFT)[:, 0].max(), near(panel, drawing.RIGHT)[:, 0].max()))
    assert np.ptp(lowest) <= 3 * drawing.SMOOTH, lowest


def test_a_frame_without_detection_says_so():
    shown = [near(np.asarray(picture), drawing.WARNING, 30) for picture in pictures(scene(5))]
    assert [len(found) > 0 for found in shown] == [False, False, False, True, False]


def test_keypoints_keep_the_aspect_of_the_image_and_stay_in_their_panel():
    for width, height in ((1920, 1080), (600, 1200)):
        wide = scene(1, width=width, height=height)
        wide.keypoints[0, 0, 13] = (width * 3, height / 2)  # far outside: must not be drawn over the 3D panel
        picture = np.asarray(next(pictures(wide)))[STRIP:-STRIP]
        frame = near(picture[:, :PANEL], drawing.FRAME, 3)
        tall, across = np.ptp(frame, 0)
        assert across / tall == pytest.approx(width / height, rel=0.03)
        assert not len(near(picture[:, PANEL : PANEL + 40], drawing.LEFT))


@pytest.mark.parametrize("views", [2, 3, 4])
def test_several_views_share_the_left_panel_and_name_those_without_detection(views):
    """Each person is drawn in a cell of their own, none of which is left empty."""
    one = scene(4)
    is_filled = np.zeros((views, 4), bool)
    is_filled[1, 0] = True
    several = dataclasses.replace(
        one, keypoints=np.repeat(one.keypoints, views, 0), is_filled=is_filled, sizes=np.repeat(one.sizes, views, 0)
    )
    picture = np.asarray(next(pictures(several)))
    panel, half = picture[STRIP:-STRIP, :PANEL], PANEL // 2
    cells = (
        [panel[:half], panel[half:]]
        if views == 2
        else [panel[r : r + half, c : c + half] for r in (0, half) for c in (0, half)]
    )
    for number, cell in enumerate(cells):
        assert (len(near(cell, drawing.LEFT)) > 20) == (number < views)
    assert len(near(picture, drawing.WARNING, 30))
    three_d = np.asarray(next(pictures(one)))[STRIP:-STRIP, PANEL:]
    assert np.array_equal(picture[STRIP:-STRIP, PANEL:], three_d)


# Of the films as they were before meshes could be filmed. A film of another Pillow or FFmpeg may differ.
DRAWN_WITH = ("13.0.0", "18.1.0")
GOLDEN_FILMS = {
    ("keypoints", ".gif"): "7e2bac25d551480d",
    ("keypoints", ".png"): "e43fc0adcad6b0b0",
    ("photos", ".gif"): "21398e40a3563ae7",
    ("photos", ".png"): "0581c4bf5145f8dc",
}


@pytest.mark.skipif((PIL.__version__, av.__version__) != DRAWN_WITH, reason=f"Pillow and av are not {DRAWN_WITH}")
@pytest.mark.parametrize(("kind", "suffix"), GOLDEN_FILMS)
def test_films_of_keypoints_keep_their_bytes(kind, suffix, tmp_path):
    shown = scene(4, 60.0, 320, 240)
    if kind == "photos":
        y, x = np.mgrid[:240, :320]
        files = tuple(f"{number}.png" for number in range(4))
        for number, file in enumerate(files):
            pixels = np.stack((x % 256, y, (x + y + 40 * number) % 256), -1).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / file)
        facts = {"layout": "coco", "fps": 60.0, "made": (), "notes": ()}
        photos = Photos(
            path=tmp_path / "list.json", files=files, pixels=shown.keypoints[0], sizes=shown.sizes[0], **facts
        )
        shown = dataclasses.replace(shown, names=photos.files, photo=lambda _, at: photos.image(at))
    file = io.BytesIO()
    render(shown, file, suffix)
    # How a PNG is packed is a choice of the processor; what it shows is not.
    content = Image.open(file).tobytes() if suffix == ".png" else file.getvalue()
    assert hashlib.sha256(content).hexdigest()[:16] == GOLDEN_FILMS[kind, suffix]
