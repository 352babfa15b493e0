"""ASF with AMC and BVH: known poses by hand, units, orders, agreement of the two, and every fault with its name."""

import numpy as np
import pytest

from data.conversion.motion.acclaim import read_amc, read_asf
from data.conversion.motion.bvh import move, read_bvh
from data.conversion.motion.rotations import turned
from data.conversion.skeletons.joints import joints_of, with_lost_bones
from data.errors import DataError
from data.poses.skeleton import H36M_17
from tests.made.recordings.mocap import UNIT, amc_text, asf_text, axis_of, bones, bvh_text, joint_name, motion, rest

CLOSE = 1e-6  # units; the files hold eight digits

ARM_ASF = """
:units
  length {length}
  angle {angle}
:root
  order {order}
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    name upper
    direction 1 0 0
    length 2
    axis {axis}
    dof {dof}
  end
  begin
    name fore
    direction 1 0 0
    length 1
    axis 0 0 0 XYZ
    dof rz
  end
:hierarchy
  begin
    root upper
    upper fore
  end
"""
ARM_BVH = """HIERARCHY
ROOT Made:Upper
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition {order}
  JOINT Made:Fore
  {{
    OFFSET 2 0 0
    CHANNELS 3 Xrotation Yrotation Zrotation
    End Site
    {{
      OFFSET 1 0 0
    }}
  }}
}}
MOTION
Frames: 1
Frame Time: .0083333
{values}
"""


@pytest.fixture
def arm(tmp_path):
    """(ends of upper and fore) of an arm along x, of one frame of an AMC file."""

    def ends(frame, order="TX TY TZ RX RY RZ", axis="0 0 0 XYZ", dof="rx ry rz", angle="deg", head=""):
        text = ARM_ASF.format(length=0.45, order=order, axis=axis, dof=dof, angle=angle)
        (tmp_path / "a.asf").write_text(text)
        (tmp_path / "a.amc").write_text(f":FULLY-SPECIFIED\n{head}\n1\n{frame}\n")
        points = read_amc(tmp_path / "a.amc", read_asf(tmp_path / "a.asf"), 120).points
        return points["upper"][0].round(9).tolist(), points["fore"][0].round(9).tolist()

    return ends


def test_an_arm_turned_by_90_degrees_points_up(arm):
    assert arm("root 0 0 0 0 0 0\nupper 0 0 90\nfore 0") == ([0, 2, 0], [0, 3, 0])
    assert arm("root 0 0 0 0 0 0\nupper 0 0 90\nfore 90") == ([0, 2, 0], [-1, 2, 0])
    assert arm("root 5 6 7 0 0 90\nupper 0 0 0\nfore 90") == ([5, 8, 7], [4, 8, 7])


def test_angles_turn_about_a_bones_own_axes(arm):
    # Its x axis is the world's y after 90 degrees about z.
    assert arm("root 0 0 0 0 0 0\nupper 90 0 0\nfore 0", axis="0 0 90 XYZ") == ([0, 0, -2], [0, 0, -3])


def test_values_stand_in_the_order_of_dof_and_turn_in_that_of_the_axis(arm):
    root = "root 0 0 0 0 0 0\n"
    up = ([0, 2, 0], [0, 3, 0])
    assert arm(f"{root}upper 90 90\nfore 0", dof="rx rz") == up  # about x first, which leaves the arm where it is
    assert arm(f"{root}upper 90 0 90\nfore 0") == up
    assert arm(f"{root}upper 90 0\nfore 0", dof="rz rx") == up
    assert arm(f"{root}upper 90 0 90\nfore 0", axis="0 0 0 ZYX") == ([0, 0, 2], [0, 0, 3])
    assert arm("root 0 0 90 5 6 7\nupper 0 0 0\nfore 0", order="RX RY RZ TX TY TZ") == ([5, 8, 7], [5, 9, 7])


def test_angles_may_be_radians_in_the_skeleton_and_in_the_motion(arm):
    frame = f"root 0 0 0 0 0 0\nupper 0 0 {np.pi / 2:.12f}\nfore 0"
    assert arm(frame, angle="rad") == ([0, 2, 0], [0, 3, 0])
    assert arm(frame, head=":RADIANS") == ([0, 2, 0], [0, 3, 0])


def test_a_unit_of_length_is_an_inch_by_the_header(tmp_path):
    (tmp_path / "a.asf").write_text(asf_text())
    assert read_asf(tmp_path / "a.asf").metres_per_unit == pytest.approx(0.0564444, abs=1e-7)
    (tmp_path / "a.asf").write_text(asf_text(length=1))
    assert read_asf(tmp_path / "a.asf").metres_per_unit == 0.0254


@pytest.mark.parametrize(
    ("order", "angles", "end"),
    [
        ("Zrotation Yrotation Xrotation", "90 0 0", (2, 0, 0)),
        # Columns stand in the order of the channels, and the last one turns first.
        ("Xrotation Yrotation Zrotation", "90 0 90", (0, 0, 2)),
        ("Zrotation Yrotation Xrotation", "90 0 90", (0, 2, 0)),
    ],
)
def test_bvh_channels_are_read_in_their_order(tmp_path, order, angles, end):
    (tmp_path / "a.bvh").write_text(ARM_BVH.format(order=order, values=f"1 2 3 {angles} 0 0 90"))
    bvh = read_bvh(tmp_path / "a.bvh")
    points = move(bvh).points
    if angles == "90 0 0":  # the root's turn about z, then the elbow's
        assert points["fore"][0].round(9).tolist() == [1, 4, 3]
        assert points["fore end"][0].round(9).tolist() == [0, 4, 3]
    else:
        assert points["fore"][0].round(9).tolist() == (np.array((1, 2, 3)) + end).tolist()
    assert bvh.fps == 120
    assert list(points) == ["upper", "fore", "fore end"]


def test_position_channels_replace_the_offset(tmp_path):
    text = ARM_BVH.format(order="Zrotation Yrotation Xrotation", values="0 0 0 90 0 0 4 0 0 0 0 0")
    text = text.replace("CHANNELS 3", "CHANNELS 6 Xposition Yposition Zposition")
    (tmp_path / "a.bvh").write_text(text)
    assert move(read_bvh(tmp_path / "a.bvh")).points["fore"][0].round(9).tolist() == [0, 4, 0]


def test_three_turns_agree_with_matrices_written_out():
    from tests.made.recordings.mocap import matrix

    angles = np.array([[20.0, -50.0, 110.0]])
    np.testing.assert_allclose(turned("zyx", np.radians(angles[:, ::-1]))[0], matrix(angles[0]), atol=1e-12)


def both_roads(folder, frames, **changed):
    (folder / "a.asf").write_text(asf_text())
    (folder / "a.amc").write_text(amc_text(frames))
    (folder / "a.bvh").write_text(bvh_text(frames, **changed))
    return read_amc(folder / "a.amc", read_asf(folder / "a.asf"), 120), read_bvh(folder / "a.bvh")


def test_asf_with_amc_and_bvh_of_one_motion_give_the_same_joints(tmp_path):
    acclaim, bvh = both_roads(tmp_path, motion(30))
    one, other = joints_of(acclaim, "amc"), joints_of(move(bvh), "bvh")
    assert one.shape == (30, 17, 3)
    assert np.ptp(one, axis=0).max() > 1  # units; the person moves
    np.testing.assert_allclose(one, other, atol=1e-5)  # eight digits of angles at the end of nine bones
    for name in bones():
        # A bone ends where the next joint is.
        child = next((joint_name(bone) for bone, (hung, _) in bones().items() if hung == name), None)
        end = child.lower() if child else f"{joint_name(name).lower()} end"
        np.testing.assert_allclose(acclaim.points[name], move(bvh).points[end], atol=1e-5)


def test_bones_keep_their_length_and_axes_do_not_move_the_rest_pose(tmp_path):
    (tmp_path / "a.asf").write_text(asf_text())
    (tmp_path / "a.amc").write_text(amc_text(motion(9)))
    moving = read_amc(tmp_path / "a.amc", read_asf(tmp_path / "a.asf"), 120).points
    (tmp_path / "a.amc").write_text(amc_text(rest(1)))
    still = read_amc(tmp_path / "a.amc", read_asf(tmp_path / "a.asf"), 120).points
    assert any(axis_of(name).any() for name in bones())
    for name, (parent, vector) in bones().items():
        np.testing.assert_allclose(still[name] - still[parent], vector[None], atol=CLOSE)
        lengths = np.linalg.norm(moving[name] - moving[parent], axis=-1)
        np.testing.assert_allclose(lengths, np.linalg.norm(vector), atol=CLOSE)


def test_the_bones_that_the_known_bvh_conversion_lost_are_put_back(tmp_path):
    names = ("Neck", "LeftShoulder", "RightShoulder", "LeftFingerBase", "RightFingerBase", "LThumb", "RThumb")
    acclaim, bvh = both_roads(tmp_path, motion(20), offsets={name: np.zeros(3) for name in names})
    mended, is_mended = with_lost_bones(bvh)
    assert is_mended
    # The made thorax is as long as the upper back, and the wrist half as long as the radius.
    np.testing.assert_allclose(joints_of(move(mended), "bvh"), joints_of(acclaim, "amc"), atol=1e-5)
    _, whole = both_roads(tmp_path, motion(2))
    assert with_lost_bones(whole) == (whole, False)


def test_joints_lie_where_their_names_say(tmp_path):
    acclaim, _ = both_roads(tmp_path, rest(1))
    pose = dict(zip(H36M_17.joints, joints_of(acclaim, "amc")[0] - (0, 16, 0), strict=True))
    np.testing.assert_allclose(pose["Hip"], (0, -1.7, 0.6), atol=CLOSE)
    np.testing.assert_allclose(pose["LHip"], (1.5, -1.7, 0.6), atol=CLOSE)
    np.testing.assert_allclose(pose["RFoot"], (-6.4, -15.1, 0.6), atol=CLOSE)
    np.testing.assert_allclose(pose["Thorax"], (0, 6, -0.2), atol=CLOSE)
    np.testing.assert_allclose(pose["Neck"], (0, 6 + 1.6 + 0.75, 0.1 - 0.2), atol=CLOSE)
    np.testing.assert_allclose(pose["LWrist"], (3.2 + 4.8 + 3.4 + 1.7, 7.3, -0.5), atol=CLOSE)
    for left, right in zip(H36M_17.left, H36M_17.right, strict=True):
        mirrored = pose[H36M_17.joints[right]] * (-1, 1, 1)
        np.testing.assert_allclose(pose[H36M_17.joints[left]], mirrored, atol=CLOSE)


def test_other_names_of_bvh_joints_are_known(tmp_path):
    _, bvh = both_roads(tmp_path, rest(1))
    points = dict(move(bvh).points)
    recording = move(bvh)
    for lost in ("neck1", "leftfingerbase", "rightfingerbase"):
        del points[lost]
    plain = type(recording)(points=points, fps=120, metres_per_unit=None)
    assert joints_of(plain, "bvh").shape == (1, 17, 3)


def refusal(read):
    with pytest.raises(DataError) as caught:
        read()
    return str(caught.value)


def test_missing_bones_are_named_with_those_that_are_there(tmp_path):
    acclaim, _ = both_roads(tmp_path, rest(1))
    points = {name: value for name, value in acclaim.points.items() if name not in ("ltibia", "head")}
    part = type(acclaim)(points=points, fps=120, metres_per_unit=UNIT)
    message = refusal(lambda: joints_of(part, "a.amc"))
    assert "a.amc: lacks ltibia, head; the nearest of the known namings is ASF of the CMU database" in message
    assert "it has root, lowerback" in message


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"ltibia": {"dof": "rx rw"}}, "bone ltibia: dof 'rw' is unknown; a bone turns about rx, ry, rz"),
        ({"ltibia": {"dof": "rx tx"}}, "bone ltibia: dof 'tx' is unknown"),
        ({"head": {"length": "long"}}, "bone head: length must be a number, found 'long'"),
        ({"head": {"direction": "0 1"}}, "bone head: direction must be three numbers, found '0 1'"),
        ({"head": {"direction": "0 nan 1"}}, "bone head: direction must be three numbers"),
        ({"head": {"axis": "0 0 0"}}, "bone head: axis needs an order of turning like XYZ"),
        ({"head": {"axis": None}}, "bone head: axis must be three numbers"),
        ({"head": {"name": "haed"}}, "hierarchy: 'head' is no bone of :bonedata; did you mean haed?"),
    ],
)
def test_a_skeleton_at_fault_is_refused_with_the_bone(tmp_path, changed, why):
    (tmp_path / "a.asf").write_text(asf_text(**changed))
    assert why in refusal(lambda: read_asf(tmp_path / "a.asf"))


def test_all_faults_of_a_skeleton_are_told_at_once(tmp_path):
    text = asf_text(head={"length": "x"}, ltibia={"dof": "q"}).replace("length 0.45", "length -1")
    (tmp_path / "a.asf").write_text(text)
    message = refusal(lambda: read_asf(tmp_path / "a.asf"))
    assert "3 problems" in message
    assert "units: length = -1 must be a number above 0" in message


def test_what_is_no_skeleton_is_refused(tmp_path):
    (tmp_path / "a.asf").write_bytes(b"\x00\xff" * 50)
    assert "has no section :root, :bonedata, :hierarchy" in refusal(lambda: read_asf(tmp_path / "a.asf"))
    assert "cannot be read" in refusal(lambda: read_asf(tmp_path / "none.asf"))
    (tmp_path / "a.asf").write_text(asf_text().replace("    lfoot ltoes\n", "    lfoot ltoes ltibia\n"))
    assert "'ltibia' hangs on two bones" in refusal(lambda: read_asf(tmp_path / "a.asf"))
    (tmp_path / "a.asf").write_text(asf_text().replace("order TX TY TZ RX RY RZ", "order TX TY TZ"))
    assert "root: order 'tx ty tz' must name TX TY TZ RX RY RZ" in refusal(lambda: read_asf(tmp_path / "a.asf"))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("\nhead ", "\nhaed ", "frame 1: 'haed' is no moving bone of the skeleton"),
        ("\nhead ", "\nhead nan ", "frame 1: head has 'nan"),
        ("\nhead ", "\nhead 1 ", "frame 1: head has 4 values, its dof in the skeleton are 3"),
        ("\n2\n", "\n2\nhead 0 0 0\n", "frame 2: head stands twice in this frame"),
        ("\n1\n", "\n", "'root' stands before the number of the first frame"),
    ],
)
def test_a_motion_at_fault_is_refused_with_the_frame(tmp_path, old, new, why):
    (tmp_path / "a.asf").write_text(asf_text())
    (tmp_path / "a.amc").write_text(amc_text(motion(3)).replace(old, new, 1))
    assert why in refusal(lambda: read_amc(tmp_path / "a.amc", read_asf(tmp_path / "a.asf"), 120))


def test_a_motion_cut_within_a_frame_is_refused(tmp_path):
    (tmp_path / "a.asf").write_text(asf_text())
    text = amc_text(motion(3))
    (tmp_path / "a.amc").write_text(text[: text.rindex("rhand ")])
    message = refusal(lambda: read_amc(tmp_path / "a.amc", read_asf(tmp_path / "a.asf"), 120))
    assert "frame 3 ends at the end of the file without rhand, rthumb, rfingers; the file is cut off" in message
    (tmp_path / "a.amc").write_text("# nothing\n:DEGREES\n")
    assert "has no frames" in refusal(lambda: read_amc(tmp_path / "a.amc", read_asf(tmp_path / "a.asf"), 120))


def test_a_motion_that_is_wrong_throughout_says_so_five_times(tmp_path):
    (tmp_path / "a.asf").write_text(asf_text())
    (tmp_path / "a.amc").write_text(amc_text(motion(20)).replace("\nhead ", "\nhaed "))
    message = refusal(lambda: read_amc(tmp_path / "a.amc", read_asf(tmp_path / "a.asf"), 120))
    assert message.startswith(f"{tmp_path / 'a.amc'}: 5 problems")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("CHANNELS 3", "CHANNELS 4", "announces 4 channels and names 3"),
        ("3 Zrotation Yrotation Xrotation", "3 Zrotation Yrotation Wrotation", "channel 'wrotation' of lowerback"),
        ("3 Zrotation Yrotation Xrotation", "3 Zrotation Xrotation Xrotation", "unknown or repeated"),
        ("6 Xposition Yposition Zposition", "5 Xposition Yposition", "positions come as all three, or none"),
        ("OFFSET 0 2 -0.2", "OFFSET 0 2", "OFFSET needs three numbers"),
        ("OFFSET 0 2 -0.2", "OFFSET 0 2 nan", "OFFSET needs three numbers"),
        ("Frames: 3", "Frames: 4", "announces 4 frames and has 3; the file is cut off"),
        ("Frame Time: 0.0083333", "Frame Time: 0", "no 'Frame Time:' with seconds above 0"),
        ("Frame Time: 0.0083333", "Frame Time: 8.3333", "'Frame Time:' is 8.3333; expected the seconds from frame to"),
        ("Frame Time: 0.0083333", "Frame Time: 1e-9", "frame, 0.0001 to 1: put the right ones there"),
        ("JOINT Head", "JOINT Neck", "is out of place, without a name, or there twice"),
        ("JOINT Head", "BONE Head", "'BONE Head' is not understood here"),
        ("MOTION", "", "has no HIERARCHY with a MOTION behind it"),
        ("\n}\nMOTION", "\nMOTION", "HIERARCHY ends within hips"),
    ],
)
def test_a_bvh_file_at_fault_is_refused_with_the_place(tmp_path, old, new, why):
    text = bvh_text(motion(3))
    assert old in text
    (tmp_path / "a.bvh").write_text(text.replace(old, new, 1))
    assert why in refusal(lambda: read_bvh(tmp_path / "a.bvh"))


def test_a_bvh_frame_with_a_wrong_count_or_no_number_is_refused(tmp_path):
    lines = bvh_text(motion(3)).splitlines()
    width = len(lines[-1].split())
    (tmp_path / "a.bvh").write_text("\n".join([*lines[:-1], lines[-1][:-40].rpartition(" ")[0]]))
    found = refusal(lambda: read_bvh(tmp_path / "a.bvh"))
    assert f"frame 3: has {len(lines[-1][:-40].rpartition(' ')[0].split())} values" in found
    assert f"the hierarchy has {width} channels" in found
    (tmp_path / "a.bvh").write_text("\n".join([*lines[:-1], "nan " + lines[-1].partition(" ")[2]]))
    assert "frame 3: has a value that is no finite number" in refusal(lambda: read_bvh(tmp_path / "a.bvh"))
