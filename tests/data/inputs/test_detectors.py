"""Detectors' files: each format is recognised by content, and joints, frames and people come out as they went in."""

import json

import numpy as np
import pytest

from data.errors import DataError
from data.inputs.joint_maps import to_skeleton
from data.inputs.keypoints import Told, read_keypoints
from data.inputs.layouts import LAYOUTS, joints_named, taken_and_made
from data.poses.skeleton import H36M_16, H36M_17
from tests.made.detected.files import SIZE, custom, instances, landmarks, openpose, person, put, results, scored

TOLD = Told(width=SIZE[0], height=SIZE[1], fps=25)


def coco(frames=6, **changes):
    return scored(person(frames, **changes))


def with_layout(layout, frames=6):
    return scored(person(frames, layout=layout, count=next(iter(LAYOUTS[layout]))))


def detectron(path, rows):
    """People of frames as Detectron dumps them: by class, (x, y, logit, score) of each joint."""
    boxes, points = np.empty((len(rows), 2), object), np.empty((len(rows), 2), object)
    for at, one in enumerate(rows):
        boxes[at] = [[], np.array([[0, 0, 9, 9, 0.9]])]
        points[at] = [[], np.stack((one[:, 0], one[:, 1], one[:, 2] * 9, one[:, 2]))[None]]
    np.savez(
        path, boxes=boxes, segments=np.array([None]), keypoints=points, metadata=np.array({"w": 1280, "h": 720}, object)
    )
    return path


def ultralytics(folder, rows, behind=(), first=1):
    folder.mkdir(parents=True)
    for number, one in enumerate(rows, first):
        shares = one / (*SIZE, 1)
        line = " ".join(f"{value:.6f}" for value in (0, 0.5, 0.5, 0.2, 0.4, *shares.ravel(), *behind))
        (folder / f"walk_{number}.txt").write_text(line + "\n")
    return folder


def table(path, rows, names, drop=()):
    columns = [f"{name}_{axis}" for name in names for axis in ("x", "y", "z", "visibility")]
    lines = [",".join(("frame", *columns))]
    for number, one in enumerate(rows):
        if number not in drop:
            values = [v for x, y, s in one.tolist() for v in (x / SIZE[0], y / SIZE[1], 0.1, s)]
            lines.append(",".join(map(str, (number, *values))))
    path.write_text("\n".join(lines))
    return path


def ultralytics_json(rows):
    columns = (("x", 0), ("y", 1), ("visible", 2))
    return [
        [{"name": "person", "confidence": 0.9, "keypoints": {key: one[:, at].tolist() for key, at in columns}}]
        for one in rows
    ]


def by_image(rows, people, key):
    """AlphaPose's forms like OpenPose's, in one file."""
    return {f"{at}.jpg": {"version": "AlphaPose", people: [{key: one.ravel().tolist()}]} for at, one in enumerate(rows)}


def videos(rows):
    """MMPose's frames of instances."""
    return [{"frame_id": at, "instances": instances([one])} for at, one in enumerate(rows)]


def folder_of(path, rows):
    for at, one in enumerate(rows):
        put(path / f"{at:06d}.json", instances([one]))
    return path


def framed(rows, key="landmarks", several=False):
    """Frames of landmarks by number."""
    poses = [landmarks(one) for one in rows]
    return [{"frame": at, key: [pose] if several else pose} for at, pose in enumerate(poses)]


FORMATS = {
    "openpose": lambda to, rows: openpose(to / "op", [[one] for one in rows]),
    "openpose of before 2018": lambda to, rows: openpose(to / "op", [[one] for one in rows], key="pose_keypoints"),
    "alphapose": lambda to, rows: put(to / "k.json", results(rows, "{}.jpg", idx=1)),
    "alphapose cmu": lambda to, rows: put(to / "k.json", by_image(rows, "bodies", "joints")),
    "alphapose open": lambda to, rows: put(to / "k.json", by_image(rows, "people", "pose_keypoints_2d")),
    "mmpose video": lambda to, rows: put(to / "k.json", videos(rows)),
    "mmpose folder": lambda to, rows: folder_of(to / "mm", rows),
    "mmpose inferencer": lambda to, rows: put(to / "k.json", {"predictions": [[instances([one])] for one in rows]}),
    "ultralytics json": lambda to, rows: put(to / "k.json", ultralytics_json(rows)),
    "landmarks": lambda to, rows: put(to / "k.json", [landmarks(one) for one in rows]),
    "landmarks in frames": lambda to, rows: put(to / "k.json", {"fps": 25, "frames": framed(rows)}),
    "landmarks of people": lambda to, rows: put(to / "k.json", framed(rows, "pose_landmarks", several=True)),
    "array": lambda to, rows: saved(to / "k.npy", rows),
    "own": lambda to, rows: put(to / "k.json", {"frames": rows.tolist()}),
}
LAYOUT_OF = {
    "openpose": ("body25", "coco18", "mpi15"),
    "openpose of before 2018": ("coco18", "mpi15"),
    "alphapose": ("coco", "halpe26", "halpe136"),
    "alphapose cmu": ("coco18",),
    "alphapose open": ("coco18", "body25"),
    "mmpose video": ("coco", "coco_wholebody", "halpe26"),
    "mmpose folder": ("coco",),
    "mmpose inferencer": ("coco",),
    "ultralytics json": ("coco",),
    "landmarks": ("mediapipe33",),
    "landmarks in frames": ("mediapipe33",),
    "landmarks of people": ("mediapipe33",),
    "array": ("body25", "halpe26", "mediapipe33"),
    "own": ("mediapipe33", "body25"),
}


@pytest.mark.parametrize(("name", "layout"), [(name, one) for name, layouts in LAYOUT_OF.items() for one in layouts])
def test_a_format_is_recognised_and_keeps_every_joint(tmp_path, name, layout):
    rows = with_layout(layout)
    read = read_keypoints(FORMATS[name](tmp_path, rows), TOLD)
    assert read.layout == layout
    np.testing.assert_allclose(read.points, rows[..., :2], atol=1e-6)
    np.testing.assert_allclose(read.score, rows[..., 2], atol=1e-6)


@pytest.mark.parametrize("behind", [(), (0.87,), (0.87, 3), (3,)])
def test_lines_of_ultralytics_may_end_with_confidence_and_id(tmp_path, behind):
    rows = coco()
    read = read_keypoints(ultralytics(tmp_path / "labels", rows, behind), TOLD)
    np.testing.assert_allclose(read.points, rows[..., :2], atol=1e-2)
    assert read.first == 1
    if 3 in behind:
        with pytest.raises(DataError, match=r"allowed: 3 \(6 frames\)"):
            read_keypoints(tmp_path / "labels", Told(width=1280, height=720, person="0"))


def test_the_labels_of_a_run_of_ultralytics_are_found_in_its_folder(tmp_path):
    ultralytics(tmp_path / "predict" / "labels", coco())
    assert len(read_keypoints(tmp_path / "predict", TOLD).points) == 6


def test_a_custom_set_of_videopose3d_tells_size_rate_and_layout(tmp_path):
    rows = person(5)
    about = {"layout_name": "coco", "num_joints": 17, "video_metadata": {"a.mp4": {"w": 1280, "h": 720, "fps": 30}}}
    read = read_keypoints(custom(tmp_path / "k.npz", {"a.mp4": {"custom": [rows]}}, about), Told())
    assert (read.width, read.height, read.fps, read.layout) == (1280, 720, 30, "coco")
    np.testing.assert_allclose(read.points, rows)


def test_a_dump_of_detectron_tells_its_size(tmp_path):
    rows = coco()
    read = read_keypoints(detectron(tmp_path / "k.npz", rows), Told(fps=25))
    assert (read.width, read.height, read.layout) == (1280, 720, "coco")
    np.testing.assert_allclose(read.points, rows[..., :2])
    np.testing.assert_allclose(read.score, rows[..., 2])


@pytest.mark.parametrize("key", ["reconstruction", "keypoints"])
def test_arrays_of_several_people_have_an_axis_for_them(tmp_path, key):
    one, other = person(6, layout="h36m"), person(6, at=(900, 300), layout="h36m")
    np.savez(tmp_path / "k.npz", **{key: np.stack((one, other)), "layout": "h36m"})
    np.testing.assert_allclose(
        read_keypoints(tmp_path / "k.npz", Told(width=1280, height=720, person="1")).points, other
    )
    np.savez(tmp_path / "three.npz", reconstruction=np.zeros((6, 17, 3)))
    with pytest.raises(DataError, match="3D poses"):
        read_keypoints(tmp_path / "three.npz", TOLD)


def test_scores_beside_keypoints_are_their_third_number(tmp_path):
    rows = coco()
    np.savez(tmp_path / "k.npz", keypoints=rows[..., :2], scores=rows[..., 2], layout="coco")
    np.testing.assert_allclose(read_keypoints(tmp_path / "k.npz", TOLD).score, rows[..., 2])


def test_a_table_may_lack_frames_and_name_its_landmarks(tmp_path):
    rows = with_layout("mediapipe33")
    names = [
        "nose",
        *(f"point{at}" for at in range(1, 11)),
        *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
    ]
    names += [
        f"{side}_{part}"
        for part in ("pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index")
        for side in ("left", "right")
    ]
    read = read_keypoints(table(tmp_path / "k.csv", rows, names, drop=(2, 3)), TOLD)
    assert len(read.points) == 6
    assert np.isnan(read.points[2:4]).all()
    at = read.joints.index("LKnee")
    np.testing.assert_allclose(read.points[[0, 1, 4, 5], at], rows[[0, 1, 4, 5], 25, :2])


def test_a_table_may_have_a_row_a_landmark(tmp_path):
    rows = with_layout("mediapipe33")
    lines = ["frame,landmark,x,y,z,visibility"]
    lines += [
        f"{t},{at},{x / 1280},{y / 720},0,{s}"
        for t, one in enumerate(rows)
        for at, (x, y, s) in enumerate(one.tolist())
    ]
    (tmp_path / "k.csv").write_text("\n".join(lines))
    np.testing.assert_allclose(read_keypoints(tmp_path / "k.csv", TOLD).points, rows[..., :2])


def test_categories_tell_the_order_of_the_joints_and_images_the_size_and_the_frames(tmp_path):
    rows, order = coco(6), np.roll(np.arange(17), 5)
    names = [
        "nose",
        *(
            f"{s}_{p}"
            for p in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
            for s in ("left", "right")
        ),
    ]
    images = [{"id": 90 - at, "file_name": f"f_{at}.png", "width": 640, "height": 480} for at in range(8)]
    entries = [{"image_id": 90 - at, "keypoints": rows[at][order].ravel().tolist()} for at in range(6)]
    tree = {"images": images[::-1], "annotations": entries, "categories": [{"keypoints": [names[at] for at in order]}]}
    read = read_keypoints(put(tmp_path / "k.json", tree), Told(fps=25))
    assert (read.width, read.height, len(read.points)) == (640, 480, 8)
    mapped, _ = to_skeleton(read, H36M_17)
    np.testing.assert_allclose(mapped[:6, H36M_17.joints.index("LKnee")], rows[:, names.index("left_knee"), :2])
    assert np.isnan(mapped[6:]).all()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("root", "left_foot", "thorax", "neck_base", "head"), ("Hip", "LAnkle", "Thorax", "Neck", "HeadTop")),
        (("pelvis", "left_ankle", "left_foot", "neck"), ("Hip", "LAnkle", "left_foot", "NeckBase")),
        (("head_top", "neck", "head", "LElbow", "Right Hand"), ("HeadTop", "NeckBase", "Neck", "LElbow", "RWrist")),
        (
            ("nose", "head_bottom", "head_top", "RIGHT_HIP", "ankle_l"),
            ("Nose", "UpperNeck", "HeadTop", "RHip", "LAnkle"),
        ),
        (("tail", "left paw", "x"), ("tail", "left paw", "x")),
    ],
)
def test_names_of_joints_are_understood_by_what_stands_beside_them(names, expected):
    assert joints_named(names) == expected


def sized(*widths):
    """COCO's form of as many images of these widths, a person in the first."""
    images = [{"id": at, "file_name": f"{at}.jpg", "width": width, "height": 720} for at, width in enumerate(widths)]
    return {"images": images, "annotations": [{"image_id": 0, "keypoints": coco(1).ravel().tolist()}]}


def around_the_hip():
    """World landmarks: metres, 0 between the hips."""
    rows = (person(6, layout="mediapipe33", count=33) - (540, 360)) / 250
    return [[{"x": x, "y": y, "z": 0.0, "visibility": 1.0} for x, y in one.tolist()] for one in rows]


def text(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return path


def saved(path, array):
    np.save(path, array)
    return path


UNKNOWN = [{"keypoints": ["Nose", *(f"tail{at}" for at in range(16))]}]
FAR_APART = [{"image_id": at, "keypoints": coco(1).ravel().tolist()} for at in (90, 1308, 2622)]
TREES = {
    "people of other joints": ([*results(coco(1), "1{}"), *results(with_layout("halpe26", 1), "2{}")], "frames differ"),
    "sixteen joints of a detector": (results(with_layout("mpii")), "--layout h36m or --layout mpii"),
    "names of several videos": ([*results(coco(2), "a/{}.jpg"), *results(coco(2), "b/{}.jpg")], "differ in more"),
    "two names of one frame": ([*results(coco(1), "a_1.jpg"), *results(coco(1), "a_01.jpg")], "same frame number"),
    "images of a set": (FAR_APART, "no frames of one video"),
    "images of different sizes": (sized(1280, 640), "1280 x 720 (1), 640 x 720 (1)"),
    "names that nobody knows": ({"annotations": results(coco(3)), "categories": UNKNOWN}, "tail0"),
    "landmarks in metres": (around_the_hip(), "world landmarks"),
    "landmarks of face and body": ([[{"x": 0.5, "y": 0.5}] * 501] * 3, "501 joints are not possible"),
}
FILES = {
    "a folder of nothing": (lambda to: to, "no file of keypoints"),
    "boxes alone": (lambda to: text(to / "l" / "a_1.txt", "0 0.5 0.5 0.1 0.1").parent, "lines have 5 numbers"),
    "a table of other things": (lambda to: text(to / "k.csv", "a,b\n1,2"), "no columns of landmarks"),
    "seventeen joints of an array": (lambda to: saved(to / "k.npy", coco()), "--layout coco"),
}
FILES |= {name: (lambda to, tree=tree: put(to / "k.json", tree), told) for name, (tree, told) in TREES.items()}


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_told_is_refused(tmp_path, name):
    made, told = FILES[name]
    path = made(tmp_path)
    with pytest.raises(DataError) as found:
        to_skeleton(read_keypoints(path, Told(fps=25) if "sizes" in name else TOLD), H36M_17)
    assert told in str(found.value)


def test_a_detectors_guesses_are_told(tmp_path):
    rows = coco()
    rows[:, 13:, 2] = 0.1
    read = read_keypoints(put(tmp_path / "k.json", results(rows)), TOLD)
    assert any("LKnee, RKnee, LAnkle, RAnkle are scored below 0.3" in note for note in read.notes)


def test_shares_of_the_image_are_told_and_openpose_has_two_scales(tmp_path):
    rows = with_layout("body25")
    shares = rows / (*SIZE, 1)
    for folder, values in (("a", shares), ("b", shares * (2, 2, 1) - (1, 1, 0))):
        read = read_keypoints(openpose(tmp_path / folder, [[one] for one in values]), TOLD)
        np.testing.assert_allclose(read.points, rows[..., :2])
        assert any("coordinates" in note for note in read.notes)


@pytest.mark.parametrize(("layout", "head"), [("mpii", 9), ("mpi15", 0)])
def test_sixteen_joint_networks_take_layouts_without_a_nose(tmp_path, layout, head):
    rows = with_layout(layout)
    read = read_keypoints(put(tmp_path / "k.json", results(rows)), Told(width=1280, height=720, layout=layout))
    mapped, _ = to_skeleton(read, H36M_16)
    np.testing.assert_allclose(mapped[:, H36M_16.joints.index("Head")], rows[:, head, :2])
    assert "Neck" not in taken_and_made(next(iter(LAYOUTS[layout].values())), layout)


def test_json_may_hold_nan_and_a_byte_order_mark(tmp_path):
    rows = coco(3)
    text = json.dumps(
        {
            "version": 1.3,
            "people": [{"pose_keypoints_2d": [float("nan"), *with_layout("body25")[0].ravel().tolist()[1:]]}],
        }
    )
    put(tmp_path / "op" / "a_0.json", {"people": []})
    (tmp_path / "op" / "a_1.json").write_text(text)
    read = read_keypoints(tmp_path / "op", TOLD)
    assert np.isnan(read.points[1, 0]).all()
    assert len(read.points) == 2
    (tmp_path / "k.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(results(rows)).encode())
    assert len(read_keypoints(tmp_path / "k.json", TOLD).points) == 3
