"""BVH as people have it: whatever the names, the axis that points up, the end of the head, the spine and the text, the
same person comes out."""

import numpy as np
import pytest

from data.__main__ import VERBS
from data.conversion.motion.axes import UP_AXES
from data.formats.poses import h36m
from data.poses.skeleton import H36M_17
from spaces import cli
from tests.made.recordings.mocap import asf_text, motion, write_subject
from tests.made.recordings.walker import FRAMES, LENGTHS, PLAIN, bvh, skeleton

CLOSE = 0.012  # metres; clips are resampled along straight lines
USED = {"thigh": ("LHip", "LKnee"), "shin": ("LKnee", "LFoot"), "upper_arm": ("LShoulder", "LElbow"),
        "forearm": ("LElbow", "LWrist"), "head": ("Neck", "Head")}  # fmt: skip


def convert(folder, *more):
    words = ["convert", "cmu", str(folder / "in"), "--out", str(folder / "out"), "--set", "made", *more]
    return cli.main("data", "Data sets.", VERBS, words)


def one_file(folder, text, *more, name="a.bvh"):
    """The exit code of a conversion of one file."""
    (folder / "in").mkdir(exist_ok=True)
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "in" / name).write_bytes(content)
    return convert(folder, *more)


def poses_of(folder):
    return h36m.read(folder / "out", "made", "gt", joints=17)


def places(clip):
    return dict(zip(H36M_17.joints, np.moveaxis(clip.pose3d.astype(float), 1, 0), strict=True))


def is_the_walker(folder, skip=()):
    """Asserts lengths, height, and that the person walks ahead."""
    clip = poses_of(folder).sequences[0]
    place = places(clip)
    for name, (one, other) in USED.items():
        length = np.linalg.norm(place[one] - place[other], axis=-1).mean()
        assert name in skip or length == pytest.approx(LENGTHS[name], abs=CLOSE), name
    assert len(clip.pose3d) == FRAMES
    assert place["Hip"][:, 2].mean() == pytest.approx(0.90, abs=CLOSE)
    assert 0.0 < np.minimum(place["LFoot"], place["RFoot"])[:, 2].min() < 0.2
    ahead = np.cross((place["LHip"] - place["RHip"]).mean(0), (0, 0, 1))
    assert ahead @ (place["Hip"][-1] - place["Hip"][0]) > 0
    spine = place["Spine"] - place["Hip"]
    share = (np.linalg.norm(spine, axis=-1) / np.linalg.norm(place["Thorax"] - place["Hip"], axis=-1)).mean()
    assert 0.36 < share < 0.66


@pytest.mark.parametrize("is_root_turned", [False, True], ids=["all", "root"])
@pytest.mark.parametrize("up", UP_AXES)
def test_up_is_where_people_stand(tmp_path, up, is_root_turned):
    assert one_file(tmp_path, bvh(up=up, is_root_turned=is_root_turned)) == 0
    is_the_walker(tmp_path)


@pytest.mark.parametrize("up", UP_AXES)
def test_up_is_what_the_option_says(tmp_path, up):
    assert one_file(tmp_path, bvh(up=up), "--up", up) == 0
    is_the_walker(tmp_path)


@pytest.mark.parametrize("bow", [10, 25, -25])
def test_who_bows_a_little_still_stands(tmp_path, bow):
    assert one_file(tmp_path, bvh(bow=bow)) == 0


@pytest.mark.parametrize("bow", [45, -45, 90])
def test_who_never_stands_needs_the_option(tmp_path, capsys, bow):
    assert one_file(tmp_path, bvh(bow=bow)) == 2
    err = capsys.readouterr().err
    assert "which axis points up is not clear" in err
    assert "give --up (x, y, z, -x, -y, -z)" in err
    assert not (tmp_path / "out").exists()
    assert one_file(tmp_path, bvh(bow=bow), "--up", "y") == 0


def test_who_lies_is_turned_as_the_others_of_one_maker(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.bvh").write_text(bvh(up="z"))
    lying = bvh(up="z", bow=90, height=20)
    assert one_file(tmp_path, lying) == 0
    assert "a.bvh: which axis points up is not clear" in capsys.readouterr().out
    heights = [np.ptp(clip.pose3d[..., 2], axis=1).mean() for clip in poses_of(tmp_path).sequences]
    assert heights[0] < 1 < heights[1]


def test_a_word_that_is_no_axis_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        one_file(tmp_path, bvh(), "--up", "north")
    assert left.value.code == 2
    assert "choose from" in capsys.readouterr().err


PATTERNS = ("{{}}{}", "{}{{}}", "{{}}_{}", "{}_{{}}", "{}.{{}}", "{{}} {}", "{} {{}}")
WORDS = {
    "legs": ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Hand"),
    "upper": ("UpperLeg", "LowerLeg", "Ankle", "UpperArm", "LowerArm", "Wrist"),
    "thigh": ("Thigh", "Shin", "Foot", "Shldr", "ForeArm", "Hand"),
    "joints": ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist"),
}


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "mixamorig_", "Bip01 ", "left_actor_", "x1"])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_naming_is_known_by_its_words(tmp_path, prefix, words):
    for at, pattern in enumerate(PATTERNS):
        sides = (("Left", "Right"), ("L", "R"), ("l", "r"))[at % 3]
        limbs = zip(("thigh", "shin", "foot", "arm", "forearm", "hand"), words, strict=True)
        names = PLAIN | {joint: pattern.format(word) for joint, word in limbs}
        assert one_file(tmp_path, bvh(names=names, sides=sides, prefix=prefix), "--force") == 0
        is_the_walker(tmp_path)


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_the_case_of_letters_says_nothing(tmp_path, change):
    names = {joint: change(name) for joint, name in PLAIN.items()}
    assert one_file(tmp_path, bvh(names=names, sides=(change("Left"), change("Right")))) == 0
    is_the_walker(tmp_path)


def test_unknown_parts_follow_from_the_lengths_of_the_bones(tmp_path):
    limbs = ("thigh", "shin", "foot", "arm", "forearm", "hand")
    names = PLAIN | {joint: f"{{}}_q{at}" for at, joint in enumerate(limbs)}
    assert one_file(tmp_path, bvh(names=names)) == 0
    is_the_walker(tmp_path)


def test_names_that_say_nothing_are_listed(tmp_path, capsys):
    names = {joint: f"b{at}{{}}" if joint in ("thigh", "shin", "foot", "arm", "forearm", "hand") else f"b{at}"
             for at, joint in enumerate(PLAIN)}  # fmt: skip
    assert one_file(tmp_path, bvh(names=names, sides=("0", "1"))) == 2
    err = capsys.readouterr().err
    assert "no joint is named as RHip, RKnee" in err
    assert "b70" in err


@pytest.mark.parametrize("top", ["HeadTop_End", "HeadEnd", "Head_Nub", "Crown", "Ende"])
def test_the_top_of_the_head_may_be_a_joint_of_any_name(tmp_path, capsys, top):
    assert one_file(tmp_path, bvh(head="joint", names=PLAIN | {"top": top})) == 0
    is_the_walker(tmp_path)
    assert "usual length" not in capsys.readouterr().out


@pytest.mark.parametrize("head", ["zero", "none"])
def test_a_head_without_end_gets_a_usual_length(tmp_path, capsys, head):
    assert one_file(tmp_path, bvh(head=head)) == 0
    is_the_walker(tmp_path, skip=("head",))
    place = places(poses_of(tmp_path).sequences[0])
    away = (place["Head"] - place["Neck"]).mean(0)
    assert 0.12 < away[2] < 0.25
    assert "a.bvh: the head above head has no end; it gets a usual length" in capsys.readouterr().out


def test_eyes_are_no_top_of_the_head(tmp_path, capsys):
    assert one_file(tmp_path, bvh(head="joint", names=PLAIN | {"top": "LeftEye"})) == 0
    assert "usual length" in capsys.readouterr().out


@pytest.mark.parametrize("spine", [(10, 9, 9, 9), (30,), (5, 5, 5, 5, 5, 5), (20, 8), (9, 9, 10), (2, 40)])
def test_the_spine_is_the_middle_of_the_back(tmp_path, spine):
    assert (
        one_file(
            tmp_path, bvh(bones=skeleton(spine=spine), names=PLAIN | {f"back{at}": f"Chest{at}" for at in range(9)})
        )
        == 0
    )
    is_the_walker(tmp_path)


TEXTS = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "windows": lambda text: text.replace("\n", "\r\n"),
    "tabs": lambda text: text.replace(" OFFSET ", "\tOFFSET\t").replace("  ", "\t"),
    "brace on the line": lambda text: text.replace("Hips\n{", "Hips {").replace("Site\n", "Site"),
    "no blanks": lambda text: text.replace("Frames: ", "Frames:").replace("Time: ", "Time:"),
    "all of these": lambda text: b"\xef\xbb\xbf" + text.replace(": ", ":").replace("Hips\n{", "Hips{")
    .replace("\n", "\r\n").encode(),
    "small letters": lambda text: text.lower(),
    "comments": lambda text: "# made\n" + text.replace("MOTION", "// here\nMOTION"),
    "exponents": lambda text: text.replace("OFFSET 0 -43 0", "OFFSET 0 -4.3e1 0E0"),
    "blank lines": lambda text: text.replace("MOTION", "\nMOTION\n") + "\n \n",
    "broken lines": lambda text: "\n".join(
        line.replace(" ", "\n", 1) if number > text[: text.index("Time")].count("\n") else line
        for number, line in enumerate(text.split("\n"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", TEXTS.values(), ids=TEXTS)
def test_the_same_text_is_written_in_many_ways(tmp_path, change):
    assert one_file(tmp_path, change(bvh())) == 0
    is_the_walker(tmp_path)


def test_missing_end_sites_are_harmless(tmp_path):
    text = bvh(head="none")
    while "End Site" in text:
        start = text.index("End Site")
        text = text[:start] + text[text.index("}", start) + 1 :]
    assert one_file(tmp_path, text) == 0
    is_the_walker(tmp_path, skip=("head",))


def test_more_frames_than_announced_are_taken_and_fewer_refused(tmp_path, capsys):
    assert one_file(tmp_path, bvh().replace("Frames: 40", "Frames: 39")) == 0
    assert "MOTION announces 39 frames and has 40; all of them are taken" in capsys.readouterr().out
    assert one_file(tmp_path, bvh().replace("Frames: 40", "Frames: 41"), "--force") == 2
    assert "MOTION announces 41 frames and has 40; the file is cut off" in capsys.readouterr().err


@pytest.mark.parametrize("is_added", [False, True], ids=["replace", "add"])
def test_position_channels_of_every_joint_hold_or_move_the_offset(tmp_path, is_added):
    head, rows = bvh().split("MOTION")
    offsets = [line.split()[1:] for line in head.split("\n") if "OFFSET" in line]
    kinds = [
        line.split()[0] for line in head.split("\n") if line.split()[:1] and line.split()[0] in ("ROOT", "JOINT", "End")
    ]
    moving = [offset for offset, kind in zip(offsets, kinds, strict=True) if kind == "JOINT"]
    head = head.replace("CHANNELS 3", "CHANNELS 6 Xposition Yposition Zposition")
    lines = rows.strip().split("\n")
    for at in range(2, len(lines)):
        words = lines[at].split()
        row = words[:6]
        for joint, offset in enumerate(moving):
            row += ["0", "0", "0"] if is_added else offset
            row += words[6 + 3 * joint : 9 + 3 * joint]
        lines[at] = " ".join(row)
    assert one_file(tmp_path, "\n".join([f"{head}MOTION", *lines])) == 0
    is_the_walker(tmp_path)


@pytest.mark.parametrize(
    ("scale", "unit"), [(0.01, "metre"), (0.1, "decimetre"), (10, "millimetre"), (1 / 2.54, "inch")]
)
def test_the_unit_follows_from_the_stature(tmp_path, capsys, scale, unit):
    assert one_file(tmp_path, bvh(scale=scale)) == 0
    assert f"  {unit}  " in capsys.readouterr().out
    is_the_walker(tmp_path)


@pytest.mark.parametrize("change", [{"sides": ("Right", "Left")}, {"mirror": True}], ids=["names", "axis"])
def test_exchanged_sides_are_told_and_changed_back(tmp_path, capsys, change):
    assert one_file(tmp_path, bvh(**change)) == 0
    assert "a.bvh: knees and toes point backwards" in capsys.readouterr().out
    is_the_walker(tmp_path)


def test_heights_that_count_from_the_hips_are_moved_to_the_floor(tmp_path, capsys):
    assert one_file(tmp_path, bvh(height=0.0)) == 0
    assert "a.bvh: the feet are at -0.8" in capsys.readouterr().out


def test_what_is_no_person_is_refused(tmp_path, capsys):
    bones = skeleton()
    bones["Lshin"] = ("Lthigh", np.array((0, -90.0, 0)))
    assert one_file(tmp_path, bvh(bones=bones)) == 2
    assert "is of no person: left and right are unlike: Hip to Knee" in capsys.readouterr().err


def test_two_people_in_one_folder_become_two_subjects(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name, stretch in (("ann_1", 1.0), ("ann_2", 1.0), ("bob_1", 1.08)):
        (tmp_path / "in" / f"{name}.bvh").write_text(bvh(bones=skeleton(stretch)))
    assert convert(tmp_path) == 0
    assert "in: the lengths of the bones differ, as of 2 people: ann, bob" in capsys.readouterr().out
    assert [(c.subject, c.action) for c in poses_of(tmp_path).sequences] == [
        ("ann", "Motion 1"), ("ann", "Motion 2"), ("bob", "Motion 1")
    ]  # fmt: skip


def test_two_skeletons_of_acclaim_in_one_folder_are_named_by_their_files(tmp_path):
    folder = write_subject(tmp_path / "in", "both", motion(90))
    (folder / "both.asf").rename(folder / "ann.asf")
    (folder / "both_01.amc").rename(folder / "ann_01.amc")
    (folder / "bob.asf").write_text(asf_text(length=0.4))
    (folder / "bob_01.amc").write_text((folder / "ann_01.amc").read_text())
    assert convert(tmp_path) == 0
    assert poses_of(tmp_path).subjects == ("ann", "bob")


def test_one_bad_file_of_many_is_named_and_may_be_left_out(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for at in range(4):
        (tmp_path / "in" / f"{at}.bvh").write_text(bvh())
    (tmp_path / "in" / "2.bvh").write_text(bvh().rsplit("\n", 2)[0])
    (tmp_path / "in" / "4.amc").write_text("1\nroot 0\n")
    assert convert(tmp_path) == 2
    assert "in: 2 problems" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert convert(tmp_path, "--skip-bad") == 0
    said = capsys.readouterr()
    assert "note: left out 2 of 5 files" in said.out
    for why in ("2.bvh: ", "4.amc: which skeleton is its own?"):
        assert why in said.err
    assert len(poses_of(tmp_path).sequences) == 3


def test_all_bad_files_are_told_at_once(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for at in range(3):
        (tmp_path / "in" / f"{at}.bvh").write_text(bvh()[: -200 - at])
    assert convert(tmp_path, "--skip-bad") == 2
    err = capsys.readouterr().err
    assert all(f"{at}.bvh: " in err for at in range(3))
    assert not (tmp_path / "out").exists()


def headless(end, rise=0):
    """The walker's bones, whose neck begins so many centimetres higher and carries nothing but an end site."""
    bones = {joint: bone for joint, bone in skeleton().items() if joint != "head"}
    return bones | {"top": ("neck", np.array(end)), "neck": ("chest", np.array((0.0, 21 + rise, 0)))}


def test_the_end_of_a_neck_without_a_head_is_the_top_of_the_head(tmp_path, capsys):
    assert one_file(tmp_path, bvh(bones=headless((0.0, 30, 2)))) == 0
    assert "a.bvh: no joint is at the base of the skull; it is put halfway" in capsys.readouterr().out
    is_the_walker(tmp_path, skip=("head",))
    place = places(poses_of(tmp_path).sequences[0])
    for bone in (place["Thorax"] - place["Neck"], place["Neck"] - place["Head"]):
        np.testing.assert_allclose(np.linalg.norm(bone, axis=-1), np.hypot(30, 2) / 200, atol=1e-5)


def test_the_end_of_a_neck_that_is_near_is_the_base_of_the_skull(tmp_path, capsys):
    assert one_file(tmp_path, bvh(bones=headless((0.0, 11, 2)))) == 0
    assert "a.bvh: the head above neck end has no end; it gets a usual length" in capsys.readouterr().out
    is_the_walker(tmp_path)


def test_a_neck_that_begins_at_the_skull_is_its_base(tmp_path, capsys):
    assert one_file(tmp_path, bvh(bones=headless((0.0, 19, 0), rise=11))) == 0
    assert "the skull" not in capsys.readouterr().out
    is_the_walker(tmp_path)


@pytest.mark.parametrize("end", [(0.0, 0, 0), (0.0, 1, 0), (0.0, 60, 0)])
def test_a_neck_without_a_head_of_no_such_length_is_refused(tmp_path, capsys, end):
    assert one_file(tmp_path, bvh(bones=headless(end))) == 2
    assert "no joint is above neck, and its end lies neither where a skull begins nor" in capsys.readouterr().err
