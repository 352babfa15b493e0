"""Image sets on disk: the made one, reading, checking and converting them."""

import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from data.__main__ import VERBS
from data.config import DataConfig
from data.errors import DataError
from data.formats.images import h36m_images, h36m_shots
from data.formats.images.h36m_images import IMAGES
from data.formats.images.h36m_shots import Shot
from data.formats.pickles import read_pickle
from data.formats.poses import h36m
from data.formats.source import read_poses
from data.images import crops
from data.synthetic import store
from data.synthetic.images import figures
from data.synthetic.images.images import write_images
from data.synthetic.provide import provide
from data.verbs.image_faults import image_faults
from spaces.cli import main
from tests.made.images import NAME, SHOTS, made_images
from tests.made.poses import made_poses


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A made set of 70 pictures."""
    root = tmp_path_factory.mktemp("drawn")
    (root / NAME).mkdir()
    write_images(root / NAME, 0, 70, mean_frames=24)
    return root


@pytest.fixture
def made(tmp_path):
    made_images(tmp_path)
    return tmp_path


def change_labels(root, change, file="h36m_train.pkl"):
    path = root / NAME / file
    records = read_pickle(path)
    change(records)
    path.write_bytes(pickle.dumps(records))


def run(*argv):
    return main("data", "", VERBS, [str(word) for word in argv])


def test_the_same_seed_gives_the_same_bytes(drawn, tmp_path):
    write_images(tmp_path, 0, 70, mean_frames=24)
    paths = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert len(paths) == 72
    assert all((tmp_path / path).read_bytes() == (drawn / NAME / path).read_bytes() for path in paths)


def test_a_made_set_reads_as_human36m(drawn):
    settings = DataConfig(name="synthetic_images", root=str(drawn), keypoints="cpn")
    poses, split = read_poses(settings, ("train", "val", "test"))
    assert poses.subjects == (*split.train, *split.val, *split.test)
    assert sum(len(clip.pose3d) for clip in poses.sequences) == 70
    clip = poses.sequences[0]
    assert clip.pose3d.shape[1:] == (17, 3)
    assert 2 < clip.pose3d[..., 2].mean() < 8  # metres before the camera
    assert len(clip.cameras) == len(clip.images) == 1
    assert image_faults(poses) == []


def test_limbs_stand_out_from_the_background(drawn):
    """A joint is drawn where its label says: not what a picture without the person has there."""
    seen, hit = 0, 0
    for clip in h36m_images.read(drawn, NAME, "gt").sequences:
        track = clip.images[0]
        for frame in range(len(track.numbers)):
            levels = np.asarray(crops.decode(track.file(frame).read_bytes())).astype(int)
            for x, y in np.rint(clip.pose2d[0][frame]).astype(int).tolist():
                if 0 <= x < levels.shape[1] and 0 <= y < levels.shape[0]:
                    seen += 1
                    # Backgrounds are drawn with grey levels up to 55 and noise of 4.
                    hit += levels[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean((0, 1)).max() > 55 + 12
    assert seen > 1000
    assert hit / seen >= 0.95


def test_a_near_limb_is_brighter_and_thicker_than_a_far_one():
    person = np.random.default_rng(1).normal(0, 0.2, (17, 3))
    person[:, 2] = 4
    points = np.stack((person, person))
    points[0, 2:4, 2], points[1, 2:4, 2] = 3.6, 4.4  # the right knee and ankle, which 2D cannot tell apart
    pixels = points[:1, :, :2] * 100 + 200
    drawing = figures.figures(points, np.repeat(pixels, 2, 0), 400.0, figures.draw_look(np.random.default_rng(2)))
    shank = 1
    assert (drawing.nodes[0] == drawing.nodes[1]).all()
    assert drawing.radius[0, shank].mean() > 1.2 * drawing.radius[1, shank].mean()
    assert drawing.colour[0, shank].mean() > 1.5 * drawing.colour[1, shank].mean()
    assert drawing.depth[0, shank] < drawing.depth[1, shank]


def test_the_size_of_a_crop_tells_nothing_of_the_distance(drawn):
    """Boxes are drawn with a jitter, so that people of one size at one distance differ in their crops by a third."""
    ratios = []
    for clip in h36m_images.read(drawn, NAME, "gt").sequences:
        _, width = crops.keypoint_boxes(clip.pose2d[0].astype(np.float64), 256, 192)
        ratios += (clip.images[0].width_px / width).tolist()
    assert 0.9 <= min(ratios) < 0.95
    assert 1.15 < max(ratios) <= 1.2


def test_reading_gives_what_was_written(made):
    poses = h36m_images.read(made, NAME, "gt")
    assert [clip.subject for clip in poses.sequences] == ["S1", "S1", "S5", "S8", "S9"]
    assert [len(clip.pose3d) for clip in poses.sequences] == list(SHOTS.values())
    assert poses.sequences[2].action == "Walking 2 60457274"
    record = read_pickle(made / NAME / "h36m_train.pkl")[0]
    clip = poses.sequences[0]
    np.testing.assert_allclose(clip.pose3d[0], record["joints_3d"], atol=1e-6)
    maps = crops.affine(clip.images[0].center, clip.images[0].width_px, 256, 192)
    found = crops.moved(clip.pose2d[0].astype(np.float64), maps)[0]
    # Pixels of float32, enlarged into a crop.
    np.testing.assert_allclose(found, record["joints_2d_gt_crop"], atol=1e-3)
    assert h36m_images.read(made, NAME, "gt", subjects=("S9",)).subjects == ("S9",)
    assert h36m_images.read(made, NAME, "gt", joints=16).sequences[0].pose3d.shape == (7, 16, 3)
    assert h36m_images.available_keypoints(made, NAME) == ("cpn", "gt")


def test_the_fingerprint_of_a_set_changes_with_its_boxes(made):
    before = h36m_images.read(made, NAME, "gt").fingerprint()
    change_labels(made, lambda records: records[0].update(center=records[0]["center"] + 1))
    assert h36m_images.read(made, NAME, "gt").fingerprint() != before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda records: records[0].pop("center"), "lacks 'center'"),
        (lambda records: records[0].pop("subject"), "label 0 lacks subject, action"),
        (lambda records: records[1].update(joints_3d=np.zeros((16, 3))), "not of the same shape in all labels"),
        (lambda records: records[0].update(image_id=2), "two labels of one image_id"),
        (lambda records: records[0].update(subject=9), "subject 9, action 2.*not of this file"),
        (lambda records: records[0].update(action=17), "action 17.*not of this file"),
        (lambda records: records[0].update(scale=np.zeros(2)), "a scale not above 0"),
        (lambda records: [one.update(joints_3d=one["joints_3d"] * 1000) for one in records], "millimetres"),
        (lambda records: [one.update(camera={}) for one in records], "'camera' needs fx, fy"),
        (lambda records: records[3]["joints_2d_gt"].fill(np.nan), "2D is nan at frame 3"),
        (lambda records: records.clear(), "is no list of dictionaries"),
    ],
)
def test_labels_that_cannot_be_used_are_told(made, change, told):
    change_labels(made, change)
    with pytest.raises(DataError, match=told):
        h36m_images.read(made, NAME, "gt")


def test_labels_are_unpacked_once_until_they_change(made, monkeypatch):
    def read():
        return h36m_images.read(made, NAME, "gt", kept_in=made / "labels")

    first = read()
    unpacked = []
    plain = h36m_shots.read_pickle
    monkeypatch.setattr(h36m_shots, "read_pickle", lambda path: unpacked.append(path.name) or plain(path))
    assert read().fingerprint() == first.fingerprint() == h36m_images.read(made, NAME, "gt").fingerprint()
    assert len(unpacked) == 2  # by the read that keeps nothing
    change_labels(made, lambda records: records[0].update(joints_3d=records[0]["joints_3d"] + 1))
    assert read().fingerprint() != first.fingerprint()
    assert unpacked[2:] == ["h36m_train.pkl"]
    for path in (made / "labels").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    read()
    assert len(unpacked) == 5


def test_labels_that_would_run_code_are_refused(made):
    (made / NAME / "h36m_train.pkl").write_bytes(pickle.dumps([{"subject": shutil.rmtree}]))
    with pytest.raises(DataError, match="asks to import shutil"):
        h36m_images.read(made, NAME, "gt")


def test_what_is_not_there_is_told_with_what_is(made):
    with pytest.raises(DataError, match=r"no 2D 'cpm'; did you mean cpn"):
        h36m_images.read(made, NAME, "cpm")
    with pytest.raises(DataError, match=r"no subject 'S11'.*subjects here: S9"):
        h36m_images.read(made, NAME, "gt", subjects=("S11",))
    with pytest.raises(DataError, match="no such folder; put the labels and images there"):
        read_poses(DataConfig(name="h36m_images_authors", root=str(made)), ("train",))
    shutil.rmtree(made / NAME / IMAGES / Shot(1, 2, 1, 1).stem)
    with pytest.raises(DataError, match="s_01_act_02_subact_01_ca_02: no image of it can be read"):
        h36m_images.read(made, NAME, "gt")


def test_a_good_set_passes_the_check(made, capsys):
    assert run("check", "h36m-images", made) == 0
    assert "broken" in capsys.readouterr().out


def test_the_check_names_images_that_do_not_go_with_their_labels(made, capsys):
    folder = made / NAME / IMAGES / Shot(1, 2, 1, 0).stem
    files = sorted(folder.glob("*.jpg"))
    files[1].unlink()
    content = files[2].read_bytes()
    files[2].write_bytes(content[: len(content) // 2])
    Image.new("RGB", (20, 20)).save(files[3])
    shutil.copyfile(files[0], folder / "s_01_act_02_subact_01_ca_01_000099.jpg")  # videos outlast the motion capture
    change_labels(made, lambda records: records[5].update(center=records[5]["center"] + 90))
    change_labels(made, lambda records: records.pop(4))
    assert run("check", "h36m-images", made) == 2
    told = capsys.readouterr().err
    for what in (
        f"{files[1]}: no such file",
        f"{files[2]}: is no image, or cut off",
        f"{files[3]}: is 20 x 20 pixels, others of its clip 100 x 96",
        "1 images have no label, the first one s_01_act_02_subact_01_ca_01_000005.jpg",
        f"{files[5]}: the keypoints lie outside of its box",
    ):
        assert what in told, what


def frames_of(root, shots):
    """Folders of pictures as a video gives them, without labels."""
    for shot, count in shots.items():
        place = root / IMAGES / shot.stem
        place.mkdir(parents=True)
        for number in range(1, count + 1):
            Image.new("RGB", (1000, 1002 if shot.camera in (0, 3) else 1000)).save(
                place / f"{shot.stem}_{number:06d}.jpg"
            )


@pytest.fixture
def poses(tmp_path):
    lengths = {("S1", "Walking"): 9, ("S1", "Walking 1"): 5, ("S9", "Sitting"): 3}
    for keypoints in ("gt", "cpn_ft_h36m_dbb"):
        h36m.write(made_poses("h36m", keypoints, lengths=lengths), tmp_path / "poses")
    return tmp_path / "poses"


def test_labels_are_made_of_frames_poses_and_detections(poses, tmp_path, capsys):
    # The longer recording is take 2 by its images; a frame more than poses is usual.
    frames_of(tmp_path, {Shot(1, 14, 1, 0): 5, Shot(1, 14, 2, 0): 10, Shot(9, 9, 1, 1): 3})
    out = tmp_path / "store" / "h36m_images"
    assert run("convert", "h36m-images", tmp_path, "--poses", poses, "--out", out) == 0
    told = capsys.readouterr().out
    assert "labels of 14 images" in told
    assert "1 images lie behind the last pose" in told
    found = h36m_images.read(tmp_path / "store", "h36m_images", "cpn")
    truth = h36m.read(poses, "h36m", "gt", joints=17)
    assert [(clip.action, len(clip.pose3d)) for clip in found.sequences] == [
        ("Walking 2 54138969", 9), ("Walking 1 54138969", 5), ("Sitting 1 55011271", 3),
    ]  # fmt: skip
    np.testing.assert_allclose(found.sequences[0].pose2d[0], truth.sequences[0].pose2d[0], atol=1e-3)
    record = read_pickle(out / "h36m_train.pkl")[0]
    root = record["joints_3d"][:1]
    camera = record["camera"]
    # The box is the two metres around the root, seen without the lens's distortion.
    np.testing.assert_allclose(record["box"][2] - record["box"][0], 2 * camera["fx"][0] / root[0, 2], rtol=1e-6)
    turned = (truth.sequences[0].pose3d[0] * 1000 - camera["T"].T) @ camera["R"].T / 1000
    np.testing.assert_allclose(turned, record["joints_3d"], atol=1e-5)
    assert run("check", "h36m-images", tmp_path / "store") == 0
    assert run("convert", "h36m-images", tmp_path, "--poses", poses, "--out", out) == 2
    assert "--force writes over it" in capsys.readouterr().err


def test_frames_that_do_not_tell_their_take_are_refused(poses, tmp_path, capsys):
    frames_of(tmp_path, {Shot(1, 14, 1, 0): 9, Shot(1, 14, 2, 0): 9, Shot(9, 9, 1, 1): 2})
    assert run("convert", "h36m-images", tmp_path, "--poses", poses, "--out", tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "do not tell which take is which" in told
    assert "2 and 0 images, poses of 3 frames" in told
    assert not (tmp_path / "out").exists()


def test_the_verb_writes_a_set_once_and_never_over_another(tmp_path, capsys, monkeypatch):
    calls = []

    def write(folder, seed, count):
        calls.append(count)
        made_images(folder.parent / "one")
        shutil.copytree(folder.parent / "one" / NAME, folder, dirs_exist_ok=True)
        shutil.rmtree(folder.parent / "one")

    monkeypatch.setattr(store, "write_images", write)
    assert run("synth", "--images", 25, "--root", tmp_path) == 0
    assert run("synth", "--images", 25, "--root", tmp_path) == 0
    assert "already; nothing written" in capsys.readouterr().out
    assert run("synth", "--images", 26, "--root", tmp_path) == 2
    assert "holds 25 images of seed 0, not 26 of seed 0" in capsys.readouterr().err
    assert run("synth", "--images", 26, "--root", tmp_path, "--force") == 0
    assert calls == [25, 26]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{NAME}.lock", NAME]


def test_the_image_set_is_there_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "write_images", lambda folder, seed, count: made_images(folder.parent / "x"))
    written = []
    monkeypatch.setattr(
        "data.synthetic.provide.write_image_set", lambda root, seed, count, force: written.append((str(root), seed))
    )
    provide(DataConfig(name="synthetic_images", root="elsewhere"))
    provide(DataConfig(name="h36m_images"))
    assert written == []
    provide(DataConfig(name="synthetic_images"))
    assert written == [("data/store", 0)]
