"""Detectors' files of a made-up person: the same track in every format, and the pixels that it has."""

import json

import numpy as np

from data.inputs.layouts import LAYOUTS, human36m_names

SIZE = (1280, 720)
RNG_SEED = 11
# Places of the joints of a standing person, in parts of its height from the middle of the hips.
PLACES = {
    **{"Hip": (0, 0), "Spine": (0, -0.15), "Thorax": (0, -0.3), "Neck": (0.01, -0.4), "Nose": (0.01, -0.4)},
    **{"Head": (0, -0.5), "Eye": (0.02, -0.42), "Ear": (0.04, -0.41), "Shoulder": (0.1, -0.3), "Elbow": (0.14, -0.12)},
    **{"Wrist": (0.16, 0.05), "Hip.": (0.05, 0), "Knee": (0.06, 0.25), "Foot": (0.07, 0.48)},
}


def person(frames=20, at=(500.0, 360.0), speed=4.0, size=400.0, layout="coco", count=17):
    """Pixels [n, J, 2] of a person who walks to the right, joints in the order of a layout."""
    names = human36m_names(LAYOUTS[layout][count], layout)
    time = np.arange(frames)
    tracks = []
    for at_joint, name in enumerate(names):
        side = {"L": 1, "R": -1}.get(name[0], 0) if name[1:] in ("Hip", *PLACES) else 0
        key = "Hip." if side and name[1:] == "Hip" else name[1:] if side else name
        x, y = PLACES.get(key, (0.005 * (at_joint % 7), -0.45 + 0.002 * (at_joint % 5)))
        x = x * side if side else x
        swing = 0.04 * np.sin(0.4 * time + (0 if side > 0 else np.pi)) * (abs(y) + 0.2 if side else 0)
        tracks.append(np.stack((at[0] + speed * time + size * (x + swing), at[1] + size * (y + 0 * time)), -1))
    return np.stack(tracks, 1)


def scored(pixels, score=0.9):
    """Pixels with a score behind each joint that tells joints and frames apart."""
    frames, joints = pixels.shape[:2]
    scores = score + 0.0005 * np.arange(joints) + 0.0001 * np.arange(frames)[:, None]
    return np.concatenate((pixels, scores[..., None]), -1)


def put(path, tree):
    """Writes JSON; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree))
    return path


def openpose(folder, people, first=0, stem="walk", ids=None, key="pose_keypoints_2d"):
    """One file a frame. people: for each frame the list of its people [J, 3]; None: no file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(people, first):
        if frame is not None:
            tree = [
                {"person_id": [-1 if ids is None else ids[at]], key: rows.ravel().tolist()}
                for at, rows in enumerate(frame)
            ]
            put(folder / f"{stem}_{number:012d}_keypoints.json", {"version": 1.3, "people": tree})
    return folder


def results(rows, names="frame_{:03d}.jpg", **more):
    """Entries of COCO results, one for each frame of [n, J, 3]."""
    return [
        {"image_id": names.format(number), "category_id": 1, "keypoints": one.ravel().tolist(), "score": 2.5, **more}
        for number, one in enumerate(rows)
    ]


def instances(people):
    """Instances of MMPose 1.x of [J, 3] people."""
    return [
        {
            "keypoints": one[:, :2].tolist(),
            "keypoint_scores": one[:, 2].tolist(),
            "bbox": [[0, 0, 9, 9]],
            "bbox_score": 0.9,
        }
        for one in people
    ]


def landmarks(rows, size=SIZE):
    """MediaPipe's landmarks of [J, 3], shares of the image."""
    return [
        {"x": x / size[0], "y": y / size[1], "z": 0.01 * at - 0.1, "visibility": score}
        for at, (x, y, score) in enumerate(rows.tolist())
    ]


def custom(path, tree, metadata):
    """A custom set of VideoPose3D: {video: {action: [keypoints of each camera]}}."""
    np.savez(path, positions_2d=np.array(tree, dtype=object), metadata=np.array(metadata, dtype=object))
    return path
