"""C3D files of somebody who walks: joint centres as software computes them, and markers on the skin."""

import ezc3d
import numpy as np

from data.poses.skeleton import H36M_17
from data.synthetic.poses.motion import motion

CENTRES = {"Hip": "FEP", "Knee": "FEO", "Foot": "TIO", "Shoulder": "CLO", "Elbow": "HUO", "Wrist": "RAO"}


def walk(frames=100):
    """Positions [n, 17, 3] in metres, z up."""
    return motion(0, 1, 0, frames, modes=("gait",), skeleton="cmu")


def places(poses):
    return dict(zip(H36M_17.joints, np.moveaxis(poses, 1, 0), strict=True))


def unit(vector):
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def trunk_markers(poses):
    """Markers on pelvis, chest and head, and the directions ahead, up and to the left."""
    at = places(poses)
    left = unit(at["LHip"] - at["RHip"])
    up = unit(at["Thorax"] - at["Hip"])
    ahead = np.cross(left, up)
    found = {"C7": at["Thorax"] - 0.06 * ahead, "CLAV": at["Thorax"] + 0.06 * ahead}
    middle = (at["Hip"] + at["Thorax"]) / 2
    found |= {"T10": middle - 0.09 * ahead + 0.1 * up, "STRN": middle + 0.09 * ahead + 0.1 * up}
    band = (at["Head"] + at["Neck"]) / 2
    for name, one, other in (("LF", 0.09, 0.07), ("RF", 0.09, -0.07), ("LB", -0.09, 0.07), ("RB", -0.09, -0.07)):
        found[f"{name}HD"] = band + one * ahead + other * left
    # The pelvis around hips that are `out` from the middle: the published regression turned round.
    width = (np.linalg.norm(at["LHip"] - at["RHip"], axis=-1, keepdims=True) / 2 - 0.0073) / 0.33
    depth = 0.7 * width
    front = at["Hip"] + (0.24 * depth + 0.0099) * ahead + (0.30 * width + 0.0109) * up
    for side, sign in (("L", 0.5), ("R", -0.5)):
        found[f"{side}ASI"] = front + sign * width * left
        found[f"{side}PSI"] = front - depth * ahead + 0.4 * sign * width * left
    return found, (ahead, up, left)


def centres(poses):
    """Label -> positions: Plug-in Gait's ends of segments with markers on trunk and head."""
    at = places(poses)
    found = {side + label: at[side + joint] for side in "LR" for joint, label in CENTRES.items()}
    return found | trunk_markers(poses)[0] | {"LKneeAngles": np.full((len(poses), 3), 40.0)}


def markers(poses):
    """Label -> positions of markers on the skin, at the outer sides of the joints."""
    at = places(poses)
    found, (ahead, up, left) = trunk_markers(poses)
    for side, sign in (("L", 1), ("R", -1)):
        thigh = unit(at[side + "Knee"] - at[side + "Hip"])
        out = sign * unit(left - (left * thigh).sum(-1, keepdims=True) * thigh)
        found[f"{side}KNE"] = at[side + "Knee"] + 0.055 * out
        found[f"{side}THI"] = (at[side + "Hip"] + at[side + "Knee"]) / 2 + 0.1 * out
        found[f"{side}ANK"] = at[side + "Foot"] + 0.04 * sign * left
        found[f"{side}HEE"], found[f"{side}TOE"] = at[side + "Foot"] - 0.05 * ahead, at[side + "Foot"] + 0.15 * ahead
        found[f"{side}SHO"] = at[side + "Shoulder"] + 0.05 * up
        arm, hand = at[side + "Elbow"] - at[side + "Shoulder"], at[side + "Wrist"] - at[side + "Elbow"]
        found[f"{side}ELB"] = at[side + "Elbow"] - sign * 0.04 * unit(np.cross(arm, hand))
        found[f"{side}WRA"], found[f"{side}WRB"] = at[side + "Wrist"] + 0.03 * ahead, at[side + "Wrist"] - 0.03 * ahead
    return found


def write_c3d(path, tracks, rate=100.0, unit_of_length="mm", prefix=""):
    """Writes positions in metres; nan is a marker that was not seen."""
    scale = {"mm": 1000.0, "m": 1.0}[unit_of_length]
    places = np.stack([np.asarray(track, float) * scale for track in tracks.values()], axis=0)
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [rate]
    content["parameters"]["POINT"]["UNITS"]["value"] = [unit_of_length]
    content["parameters"]["POINT"]["LABELS"]["value"] = [prefix + label for label in tracks]
    content["data"]["points"] = np.concatenate((places, np.ones_like(places[..., :1])), -1).transpose(2, 0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    content.write(str(path))
