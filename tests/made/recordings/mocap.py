"""A person in the bones of the CMU database, written as ASF with AMC and as BVH, so that both hold the same motion."""

import numpy as np

UNIT = 0.0254 / 0.45  # metres of one unit of length in the database
TRUNK = {
    "lowerback": ("root", (0, 2, -0.2)), "upperback": ("lowerback", (0, 2, 0)), "thorax": ("upperback", (0, 2, 0)),
    "lowerneck": ("thorax", (0, 1.6, 0.3)), "upperneck": ("lowerneck", (0, 1.5, -0.4)),
    "head": ("upperneck", (0, 1.7, 0)),
}  # fmt: skip
LEFT = {
    "hipjoint": ("root", (1.5, -1.7, 0.6)), "femur": ("lhipjoint", (2.4, -6.6, 0)), "tibia": ("lfemur", (2.5, -6.8, 0)),
    "foot": ("ltibia", (0.2, -0.5, 1.9)), "toes": ("lfoot", (0, 0, 1)), "clavicle": ("thorax", (3.2, 1.3, -0.3)),
    "humerus": ("lclavicle", (4.8, 0, 0)), "radius": ("lhumerus", (3.4, 0, 0)), "wrist": ("lradius", (1.7, 0, 0)),
    "hand": ("lwrist", (0.7, 0, 0)), "fingers": ("lhand", (0.5, 0, 0)), "thumb": ("lwrist", (0.6, 0, 0.6)),
}  # fmt: skip
JOINT_OF = {
    "root": "Hips", "lowerback": "LowerBack", "upperback": "Spine", "thorax": "Spine1", "lowerneck": "Neck",
    "upperneck": "Neck1", "head": "Head", "hipjoint": "{}HipJoint", "femur": "{}UpLeg", "tibia": "{}Leg",
    "foot": "{}Foot", "toes": "{}ToeBase", "clavicle": "{}Shoulder", "humerus": "{}Arm", "radius": "{}ForeArm",
    "wrist": "{}Hand", "hand": "{}FingerBase", "fingers": "{}HandIndex1", "thumb": "{}Thumb",
}  # fmt: skip


def bones():
    """Name -> (parent, vector from start to end in the rest pose), parents first; y up, facing z, the left is at x."""
    found = dict(TRUNK)
    for side, sign in (("l", 1), ("r", -1)):
        for name, (parent, (x, y, z)) in LEFT.items():
            hung = parent if parent in ("root", "thorax") else side + parent[1:]
            found[side + name] = (hung, (sign * x, y, z))
    return {name: (parent, np.array(vector, float)) for name, (parent, vector) in found.items()}


def joint_name(bone):
    """The BVH joint at which a bone starts."""
    if bone in JOINT_OF:
        return JOINT_OF[bone]
    side, name = bone[0], bone[1:]
    word = side.upper() if name in ("hipjoint", "thumb") else {"l": "Left", "r": "Right"}[side]
    return JOINT_OF[name].format(word)


def axis_of(bone):
    """Degrees of a bone's own axes, other ones for every bone."""
    number = 1 + list(bones()).index(bone)
    return np.array([10.0 * number % 170, 25.0 - 3 * number, -40.0 + 7 * number])


def matrix(angles):
    """Rz Ry Rx of degrees x, y, z, written out."""
    (a, b, c), (d, e, f) = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    about_x = np.array([[1, 0, 0], [0, a, -d], [0, d, a]])
    about_y = np.array([[b, 0, e], [0, 1, 0], [-e, 0, b]])
    about_z = np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def angles_of(turn):
    """Degrees x, y, z whose `matrix` this is, for y within 90 degrees."""
    x, z = np.arctan2(turn[2, 1], turn[2, 2]), np.arctan2(turn[1, 0], turn[0, 0])
    return np.degrees([x, np.arcsin(-turn[2, 0]), z])


def motion(count, seed=0, walk=0.0):
    """Frames {bone: degrees x y z about world axes, of the rest pose}; 'place': the root's position, units. A slow sway
    of every bone; `walk` units a frame along x."""
    rng = np.random.default_rng(seed)
    amplitude = {name: rng.uniform(-25, 25, 3) for name in ("root", *bones())}
    phase = rng.uniform(0, 6)
    return [
        {name: size * np.sin(phase + at / 40) for name, size in amplitude.items()}
        | {"place": np.array((walk * at, 17.0 + np.sin(at / 30), 1.0))}
        for at in range(count)
    ]


def rest(count=90):
    """Frames of the rest pose, standing on the floor."""
    still = {name: np.zeros(3) for name in ("root", *bones())}
    return [still | {"place": np.array((0.0, 16.0, 0.0))}] * count


def asf_text(length=0.45, **changed):
    """The skeleton; `changed` replaces the lines of a bone's block by other text."""
    lines = ["# made", ":version 1.10", ":name made", ":units", "  mass 1.0", f"  length {length}", "  angle deg",
             ":documentation", "  root of all: begin here", ":root", "  order TX TY TZ RX RY RZ", "  axis XYZ",
             "  position 0 0 0", "  orientation 0 0 0", ":bonedata"]  # fmt: skip
    for number, (name, (_, vector)) in enumerate(bones().items(), start=1):
        size = np.linalg.norm(vector)
        block = {
            "id": f"{number}",
            "name": name,
            "direction": " ".join(map(repr, (vector / size).tolist())),
            "length": repr(float(size)),
            "axis": " ".join(map(str, axis_of(name))) + "  XYZ",
            "dof": "rx ry rz",
            "limits": "(-180 180)\n           (-180 180)\n           (-180 180)",
        } | changed.get(name, {})
        lines += ["  begin", *(f"    {key} {value}" for key, value in block.items() if value is not None), "  end"]
    lines += [":hierarchy", "  begin"]
    for parent in ("root", *bones()):
        children = [name for name, (hung, _) in bones().items() if hung == parent]
        lines += [f"    {parent} {' '.join(children)}"] * bool(children)
    return "\n".join([*lines, "  end", ""])


def amc_text(frames):
    """The frames in the bones' own axes."""
    lines = ["#!OML:ASF C:\\made.ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for number, frame in enumerate(frames, start=1):
        lines += [str(number), "root " + _words([*frame["place"], *frame["root"]])]
        for name in bones():
            own = matrix(axis_of(name))
            lines.append(f"{name} {_words(angles_of(own.T @ matrix(frame[name]) @ own))}")
    return "\n".join([*lines, ""])


def bvh_text(frames, scale=1.0, fps=120.0, offsets=None):
    """The frames as BVH; lengths are `scale` of the ASF's; `offsets` replaces those of joints by name."""
    names, lines = [], ["HIERARCHY"]
    ends = {"root": np.zeros(3)} | {name: vector * scale for name, (_, vector) in bones().items()}

    def write(bone, kind, indent):
        name = joint_name(bone)
        parent = bones()[bone][0] if bone != "root" else None
        offset = (offsets or {}).get(name, ends[parent] if parent else np.zeros(3))
        places = "6 Xposition Yposition Zposition" if bone == "root" else "3"
        lines.extend([f"{indent}{kind} {name}", f"{indent}{{", f"{indent}\tOFFSET {_words(offset)}",
                      f"{indent}\tCHANNELS {places} Zrotation Yrotation Xrotation"])  # fmt: skip
        names.append(bone)
        children = [child for child, (hung, _) in bones().items() if hung == bone]
        for child in children:
            write(child, "JOINT", indent + "\t")
        if not children:
            end = f"{indent}\t\tOFFSET {_words(ends[bone])}"
            lines.extend([f"{indent}\tEnd Site", f"{indent}\t{{", end, f"{indent}\t}}"])
        lines.append(indent + "}")

    write("root", "ROOT", "")
    lines += ["MOTION", f"Frames: {len(frames)}", f"Frame Time: {1 / fps:.7f}"]
    for frame in frames:
        lines.append(_words([*(frame["place"] * scale), *(value for name in names for value in frame[name][::-1])]))
    return "\n".join([*lines, ""])


def _words(values):
    return " ".join(f"{value:.8g}" for value in values)


def write_subject(folder, number, *takes, kind="amc"):
    """A folder like subjects/01 of the database: 01.asf with 01_01.amc and so on, or 01_01.bvh."""
    folder = folder / number
    folder.mkdir(parents=True)
    if kind == "amc":
        (folder / f"{number}.asf").write_text(asf_text())
    for take, frames in enumerate(takes, start=1):
        text = amc_text(frames) if kind == "amc" else bvh_text(frames)
        (folder / f"{number}_{take:02d}.{kind}").write_text(text)
    return folder
