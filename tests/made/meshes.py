"""Small mesh sets of hands and bodies, and small downloads to convert."""

import io
import json
import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from data.formats.meshes.mesh_labels import label_text, with_confidence
from data.formats.meshes.mesh_tsv import Sample, write_set

JOINTS, PARTS = {"body": 24, "hand": 21}, {"body": 24, "hand": 16}
SIDES = (120, 100)  # width, height of the images


def made_image(number: int, size=SIDES) -> Image.Image:
    """A gradient that is another one for every number."""
    y, x = np.mgrid[: size[1], : size[0]]
    waves = [127 + 100 * np.sin((x * (1 + number % 3) + y * channel) / 20 + number) for channel in range(3)]
    return Image.fromarray(np.stack(waves, -1).astype(np.uint8))


def jpeg_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    return file.getvalue()


def made_label(kind: str, number: int, **changes):
    rng = np.random.default_rng(number)
    joints = JOINTS[kind]
    label = label_text(
        center=np.array((60.0, 50.0)) + number,
        scale=0.4,
        joints2d=with_confidence(rng.uniform(10, 90, (joints, 2))),
        joints3d=with_confidence(rng.normal(0, 0.1, (joints, 3))),
        pose=rng.normal(0, 0.3, 3 * PARTS[kind]),
        betas=rng.normal(0, 1, 10),
        has=(True, True, True),
    )
    return label | changes


def made_samples(kind: str, count: int, **changes):
    for number in range(count):
        image = jpeg_of(made_image(number))
        yield Sample(key=f"{number}.jpg", jpeg=image, size=SIDES[::-1], label=made_label(kind, number, **changes))


def made_set(root: Path, kind: str, train: int = 10, val: int = 4) -> Path:
    """train, val and test of the split own_<kind>."""
    folder = root / f"own_{kind}"
    for part, count in (("train", train), ("val", val), ("test", val)):
        write_set(folder, part, made_samples(kind, count))
    return folder


def made_freihand(root: Path, hands: int = 10, versions: int = 4, test: int = 2) -> Path:
    """A download: hands half a metre before the camera."""
    rng = np.random.default_rng(0)
    lens = np.array(((480.0, 0, 112), (0, 480.0, 112), (0, 0, 1)))
    root.mkdir(parents=True, exist_ok=True)
    (root / "training_K.json").write_text(json.dumps([lens.tolist()] * hands))
    joints = rng.normal(0, 0.03, (hands, 21, 3)) + np.array((0, 0, 0.5))
    (root / "training_xyz.json").write_text(json.dumps(joints.tolist()))
    (root / "training_mano.json").write_text(json.dumps(rng.normal(0, 0.3, (hands, 1, 61)).tolist()))
    for folder, count in (("training", hands * versions), ("evaluation", test)):
        (root / folder / "rgb").mkdir(parents=True)
        for number in range(count):
            (root / folder / "rgb" / f"{number:08d}.jpg").write_bytes(jpeg_of(made_image(number, (224, 224))))
    return root


def made_3dpw(root: Path, frames: int = 3) -> Path:
    """A download of one sequence a part, two people; the second one's last frame cannot be used."""
    rng = np.random.default_rng(0)
    camera = np.eye(4)
    camera[:3, :3] = ((1, 0, 0), (0, -1, 0), (0, 0, -1))  # half a turn about x: y up to y down
    for part in ("train", "validation", "test"):
        name = f"walk_{part}"
        keypoints = np.concatenate((rng.uniform(30, 70, (2, frames, 2, 18)), np.ones((2, frames, 1, 18))), axis=2)
        valid = np.ones((2, frames), int)
        valid[1, -1] = 0
        content = {
            "poses": list(rng.normal(0, 0.2, (2, frames, 72))),
            "betas": list(rng.normal(0, 1, (2, 300))),
            "trans": list(rng.normal(0, 1, (2, frames, 3))),
            "cam_poses": np.stack([camera] * frames),
            "cam_intrinsics": np.eye(3),
            "poses2d": list(keypoints),
            "campose_valid": list(valid),
            "genders": ["m", "f"],
        }
        file = root / "sequenceFiles" / part / f"{name}.pkl"
        file.parent.mkdir(parents=True)
        file.write_bytes(pickle.dumps(content, protocol=2))
        images = root / "imageFiles" / name
        images.mkdir(parents=True)
        for number in range(frames):
            (images / f"image_{number:05d}.jpg").write_bytes(jpeg_of(made_image(number)))
    return root
