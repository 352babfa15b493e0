"""Do readers of others find the joints where `predict` put them in its motion files?

In the environment of the project `python bench/motion/readers.py write DIR` writes a walk with noise, in a folder for
each joint set that `predict` writes, as walk.bvh, .trc, .glb and, with ezc3d, .c3d, and where its joints are. In any
environment with numpy
`python bench/motion/readers.py read DIR` reads them with those packages that are there, of bvhio, upc-pymotion, bpy
(Blender), ezc3d, c3d, opensim and trc-data-reader, and prints the largest distance of a joint from its place. Seen on
2026-11-30: docs/predict.md, Motion files. Fails if one is a millimetre or more."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Places:
    """Where the joints are: fitted [n, J, 3] and predicted [n, J, 3], metres."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "places.npz") as archive:
            self.names, self.joints = archive["names"].tolist(), archive["joints"].tolist()
            self.fitted, self.predicted, self.fps = archive["fitted"], archive["predicted"], float(archive["fps"])

    def apart(self, place: Callable[[int, str], Any], unit: float) -> float:
        """The largest distance in millimetres; place(frame, name): of a node, in the file's unit of so many metres."""
        return max(
            1000 * np.linalg.norm(np.array(place(frame, name)) * unit - self.fitted[frame, at])
            for frame in range(0, len(self.fitted), 7)
            for at, name in enumerate(self.names)
        )

    def of_markers(self, points: NDArray[np.float64]) -> float:
        """The largest distance of markers [n, J, 3] in millimetres."""
        return float(np.linalg.norm(points - 1000 * self.predicted, axis=-1).max())


def of_bvhio(folder: Path, places: Places) -> float:
    import bvhio

    root = bvhio.readAsHierarchy(str(folder / "walk.bvh"))
    nodes = {name: root.filter(name, isEqual=True)[0] for name in places.names}

    def place(frame: int, name: str) -> Any:
        root.loadPose(frame)
        return [*nodes[name].PositionWorld]

    return places.apart(place, 0.01)


def of_pymotion(folder: Path, places: Places) -> float:
    from pymotion.io.bvh import BVH
    from pymotion.ops.skeleton import fk

    bvh = BVH()
    bvh.load(str(folder / "walk.bvh"))
    turns, shifts, parents, offsets, *_ = bvh.get_data()
    found, _ = fk(turns, shifts[:, 0], offsets, parents)
    names = [name.lower() for name in bvh.data["names"]]
    return places.apart(lambda frame, name: found[frame, names.index(name.lower())], 0.01)


def of_blender(folder: Path, places: Places, ending: str) -> float:
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    if ending == "bvh":
        bpy.ops.import_anim.bvh(filepath=str(folder / "walk.bvh"), update_scene_fps=True)
    else:
        scene.render.fps = round(places.fps)
        bpy.ops.import_scene.gltf(filepath=str(folder / "walk.glb"))
    body = next(one for one in bpy.data.objects if one.type == "ARMATURE")

    def place(frame: int, name: str) -> Any:
        scene.frame_set(frame + (ending == "bvh"))  # whose first frame is 1 there
        head = body.matrix_world @ body.pose.bones[name].head
        return head.x, head.z, -head.y  # z is up there

    return places.apart(place, 0.01 if ending == "bvh" else 1.0)


def of_ezc3d(folder: Path, places: Places) -> float:
    import ezc3d

    return places.of_markers(ezc3d.c3d(str(folder / "walk.c3d"))["data"]["points"][:3].transpose(2, 1, 0))


def of_c3d(folder: Path, places: Places) -> float:
    import c3d

    with (folder / "walk.c3d").open("rb") as file:
        frames = [points[:, :3] for _, points, _ in c3d.Reader(file).read_frames()]
    return places.of_markers(np.array(frames))


def of_opensim(folder: Path, places: Places) -> float:
    import opensim

    table = opensim.TimeSeriesTableVec3(str(folder / "walk.trc"))
    found = table.getMatrix()  # a view, which does not keep its table
    rows, joints = range(found.nrow()), range(found.ncol())
    points = [[[found.getElt(row, joint)[axis] for axis in range(3)] for joint in joints] for row in rows]
    return places.of_markers(np.array(points))


def of_trc_reader(folder: Path, places: Places) -> float:
    from trc import TRCData

    content = TRCData()
    content.load(str(folder / "walk.trc"))
    return places.of_markers(np.stack([np.array(content[joint]) for joint in places.joints], axis=1))


READERS: tuple[tuple[str, str, str, Callable[..., float]], ...] = (
    ("bvhio", "bvhio", "bvh", of_bvhio),
    ("pymotion", "upc-pymotion", "bvh", of_pymotion),
    ("bpy", "bpy", "bvh", lambda *where: of_blender(*where, "bvh")),
    ("bpy", "bpy", "glb", lambda *where: of_blender(*where, "glb")),
    ("ezc3d", "ezc3d", "c3d", of_ezc3d),
    ("c3d", "c3d", "c3d", of_c3d),
    ("opensim", "opensim", "trc", of_opensim),
    ("trc", "trc-data-reader", "trc", of_trc_reader),
)


def write(folder: Path) -> int:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from data.poses.families import FAMILIES
    from tests.trainables.prediction.motion.walking import as_predicted, walk

    for family in FAMILIES.values():
        for skeleton in family.skeletons:
            write_set(folder / skeleton.name, as_predicted(walk(), skeleton))
    return 0


def write_set(folder: Path, motion: Any) -> None:
    from trainables.prediction.motion.bvh import write_bvh
    from trainables.prediction.motion.fitting import fitted
    from trainables.prediction.motion.gltf import write_motion
    from trainables.prediction.motion.trc import write_trc

    found, joints = fitted(motion), motion.skeleton.joints
    print(f"{folder.name}: {found.told}")
    folder.mkdir(exist_ok=True, parents=True)
    with (folder / "walk.bvh").open("wb") as file:
        write_bvh(file, found)
    with (folder / "walk.glb").open("wb") as file:
        write_motion(file, found, {})
    with (folder / "walk.trc").open("wb") as file:
        write_trc(file, motion, "walk.trc")
    if find_spec("ezc3d"):
        from trainables.prediction.motion.c3d import write_c3d

        with (folder / "walk.c3d").open("wb") as file:
            write_c3d(file, motion)
    nodes = [node for node in found.rig.nodes if node.at >= 0]
    np.savez(
        folder / "places.npz", names=[node.name for node in nodes], joints=joints, predicted=motion.points,
        fitted=found.points[:, [node.at for node in nodes]], fps=motion.fps,
    )  # fmt: skip


def read(folder: Path) -> int | str:
    far = []
    for own in sorted(path.parent for path in folder.glob("*/places.npz")):
        places = Places(own)
        for module, package, ending, reader in READERS:
            if find_spec(module) is None or not (own / f"walk.{ending}").exists():
                print(f"{own.name}: {package}: not here, or no .{ending}")
                continue
            distance = reader(own, places)
            print(f"{own.name}: {package} {version(package)}: .{ending} within {distance:.4f} mm")
            far += [f"{package} ({own.name})"] if distance >= 1 else []
    return f"a millimetre or more: {', '.join(far)}" if far else 0


if __name__ == "__main__":
    verb, where = sys.argv[1:]
    sys.exit({"write": write, "read": read}[verb](Path(where)))
