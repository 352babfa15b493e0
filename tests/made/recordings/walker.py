"""A person who walks, as BVH in the ways that software writes it: names, axes, ends of the head, spines, text."""

import numpy as np

FRAMES, SECONDS = 40, 0.02
# Joint -> (parent, offset in centimetres), y up, facing z, the left at x, arms hanging. S: L or R.
CENTRE = {
    "hips": ("", (0, 0, 0)), "spine": ("hips", (0, 12, 0)), "chest": ("spine", (0, 16, 0)),
    "neck": ("chest", (0, 21, 0)), "head": ("neck", (0, 11, 2)), "top": ("head", (0, 19, 0)),
}  # fmt: skip
SIDED = {
    "thigh": ("hips", (10, -5, 0)), "shin": ("thigh", (0, -43, 0)), "foot": ("shin", (0, -41, 0)),
    "toe": ("foot", (0, -6, 14)), "arm": ("chest", (18, 18, 0)), "forearm": ("arm", (0, -29, 0)),
    "hand": ("forearm", (0, -26, 0)), "finger": ("hand", (0, -10, 0)),
}  # fmt: skip
ENDS = ("top", "toe", "finger")
LENGTHS = {"thigh": 0.43, "shin": 0.41, "upper_arm": 0.29, "forearm": 0.26, "head": 0.19}  # metres
PLAIN = {"hips": "Hips", "spine": "Spine", "chest": "Spine1", "neck": "Neck", "head": "Head", "top": "HeadEnd",
         "thigh": "{}UpLeg", "shin": "{}Leg", "foot": "{}Foot", "arm": "{}Arm", "forearm": "{}ForeArm",
         "hand": "{}Hand"}  # fmt: skip
AXIS = {
    "y": (0, 0),
    "z": (0, 90),
    "-y": (0, 180),
    "-z": (0, -90),
    "x": (2, -90),
    "-x": (2, 90),
}  # about x or z, degrees


def skeleton(stretch=1.0, spine=None):
    """Joint -> (parent, offset); `spine`: heights of the joints between hips and neck instead of two."""
    bones = dict(CENTRE)
    if spine is not None:
        names = [f"back{at}" for at in range(len(spine))]
        bones = {"hips": bones["hips"]}
        for name, parent, height in zip(names, ["hips", *names], spine, strict=False):
            bones[name] = (parent, (0, height, 0))
        bones |= {"neck": (names[-1], (0, 49 - sum(spine), 0)), "head": CENTRE["head"], "top": CENTRE["top"]}
    for side, sign in (("L", 1), ("R", -1)):
        for name, (parent, (x, y, z)) in SIDED.items():
            if parent == "chest" and spine is not None:
                parent, y = names[-1], 46 - sum(spine)
            bones[side + name] = (side + parent if parent in SIDED else parent, (sign * x, y, z))
    return {name: (parent, np.array(offset, float) * stretch) for name, (parent, offset) in bones.items()}


def rotation(up):
    """The matrix that turns y up into `up`."""
    about, degrees = AXIS[up]
    c, s = np.round(np.cos(np.radians(degrees))), np.round(np.sin(np.radians(degrees)))
    first, second = {0: (1, 2), 2: (0, 1)}[about]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = c
    matrix[second, first], matrix[first, second] = s, -s
    return matrix


def swings(frames):
    """Joint -> degrees about the axis to the left in every frame."""
    phase = 2 * np.pi * np.arange(frames) * SECONDS
    found = {}
    for side, late in (("L", 0.0), ("R", np.pi)):
        found[side + "thigh"] = -24 * np.sin(phase + late)
        found[side + "shin"] = 14 + 20 * (1 - np.cos(phase + late + 1)) / 2
        found[side + "arm"] = 18 * np.sin(phase + late)
        found[side + "forearm"] = -25 - 6 * np.sin(phase + late)
    return found


def bvh(*, up="y", is_root_turned=False, names=PLAIN, sides=("Left", "Right"), prefix="", head="end", bones=None,
        frames=FRAMES, bow=0.0, speed=1.0, height=95.0, scale=1.0, mirror=False):  # fmt: skip
    """The text. up: the axis that points up, by offsets and turns or by the root's turn alone; head: 'end' (a site),
    'joint' (a joint with a site of no length), 'zero' (a site of no length), 'none'; bow: degrees of the whole body;
    mirror: x turned round."""
    bones = bones or skeleton()
    matrix = rotation(up)
    turn = np.eye(3) if is_root_turned else matrix
    flip = np.array((-1, 1, 1)) if mirror else np.ones(3)
    left = turn @ np.array((1.0, 0, 0))
    at = int(np.abs(left).argmax())
    lines, order = ["HIERARCHY"], []

    def write(name, depth):
        pad = " " * depth
        offset = turn @ (bones[name][1] * flip) * scale
        is_site = name.lstrip("LR") in ENDS and not (name == "top" and head == "joint")
        if name == "top" and head == "zero":
            offset = offset * 0
        named = names.get(name) or names.get(name[1:], name[1:]).format(sides["LR".index(name[0])])
        kind = "End Site" if is_site else f"{'JOINT' if depth else 'ROOT'} {prefix}{named}"
        lines.extend([f"{pad}{kind}", f"{pad}{{", f"{pad} OFFSET {' '.join(f'{x:.5g}' for x in offset + 0.0)}"])
        if not is_site:
            order.append(name)
            places = "3" if depth else "6 Xposition Yposition Zposition"
            lines.append(f"{pad} CHANNELS {places} Zrotation Xrotation Yrotation")
            for child, (parent, _) in bones.items():
                if parent == name and not (child == "top" and head == "none"):
                    write(child, depth + 1)
            if name == "top":
                lines.extend([f"{pad} End Site", f"{pad} {{", f"{pad}  OFFSET 0 0 0", f"{pad} }}"])
        lines.append(f"{pad}}}")

    write("hips", 0)
    seconds = np.arange(frames) * SECONDS
    path = np.stack((2 * np.sin(6 * seconds), height + np.cos(12 * seconds), 100 * speed * seconds), 1)
    path = (path * flip) @ matrix.T * scale
    turns = swings(frames)
    columns = []
    for name in order:
        own = np.zeros((frames, 3))
        own[:, {0: 1, 1: 2, 2: 0}[at]] = np.sign(left[at]) * turns.get(name, 0.0)
        if name == "hips":
            about, degrees = AXIS[up] if is_root_turned else (0, 0)
            own[:, {0: 1, 2: 0}[about]] += degrees
            own[:, 1] += bow
        columns.append(own)
    rows = np.concatenate([path, *columns], 1)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {SECONDS:g}"]
    return "\n".join([*lines, *(" ".join(f"{value:.6g}" for value in row) for row in rows), ""])
