"""Writers of glTF scenes (.glb): the bones of a fitted rig in motion, and predicted meshes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .fitting import SHORTEST, Fitted
from .glb import INDICES, VERTICES, Scene
from .motion import UPWARD

Numbers = NDArray[np.float64]

WIDTH, WAIST = 0.1, 0.2  # of a bone's length: its half width, and how far from its start it is that wide
# Linear colours of bones: left and right those of films, the middle paler, to be seen before black as well.
LEFT, RIGHT, MIDDLE = (0.014, 0.159, 0.672), (0.745, 0.133, 0.023), (0.27, 0.3, 0.35)
SKIN = (0.55, 0.62, 0.78)
ROUGH = {"metallicFactor": 0.0, "roughnessFactor": 0.8}


def write_motion(file: BinaryIO, found: Fitted, extras: Mapping[str, Any]) -> None:
    """Writes an animated skin: a joint for each node of the rig, its rotations, the root's path, and a solid for each
    bone. Metres, y up; extras: facts for the header."""
    scene, nodes = Scene(extras), found.rig.nodes
    count = len(nodes)
    children = [[child for child, other in enumerate(nodes) if other.parent == at] for at in range(count)]
    # The skinned mesh is no child of a joint: it would be moved twice, or not at all.
    tree: list[dict[str, Any]] = [
        {"name": node.name, "translation": found.offsets[at].tolist()} | ({"children": own} if own else {})
        for at, (node, own) in enumerate(zip(nodes, children, strict=True))
    ]
    tree[0]["translation"] = found.root[0].tolist()
    tree.append({"name": "bones", "mesh": 0, "skin": 0})
    bind = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
    places = np.zeros((count, 3))
    for at, node in enumerate(nodes[1:], start=1):
        places[at] = places[node.parent] + found.offsets[at]
    bind[:, 3, :3] = -places  # columns first, as the format has it
    scene.tree |= {
        "scene": 0,
        "scenes": [{"nodes": [0, count]}],
        "nodes": tree,
        "skins": [{"joints": list(range(count)), "skeleton": 0, "inverseBindMatrices": scene.add(bind)}],
        "meshes": [{"name": "bones", "primitives": [_bones(scene, found, places)]}],
        "materials": [{"name": "bones", "pbrMetallicRoughness": ROUGH}],
    }
    turns = quaternions(found.turns).astype(np.float32)
    channels = [(at, "rotation", turns[:, at], "LINEAR") for at in range(count)]
    channels.append((0, "translation", found.root.astype(np.float32), "LINEAR"))
    scene.animate(_times(len(found.root), found.fps), channels)
    scene.write(file)


def write_meshes(
    file: BinaryIO, vertices: NDArray[np.float32], faces: list[NDArray[np.int64]], fps: float, extras: Mapping[str, Any]
) -> None:
    """Writes meshes [n, P, 3] in metres and camera axes, each with its faces; of several one is shown at a time,
    `fps` a second."""
    scene, count = Scene(extras), len(vertices)
    points = (vertices @ UPWARD["camera"].T).astype(np.float32)
    known: dict[int, int] = {}  # faces that meshes share are written once
    primitives = []
    for own, outline in zip(points, faces, strict=True):
        if id(outline) not in known:
            known[id(outline)] = scene.add(outline.astype(np.uint32).reshape(-1), INDICES)
        attributes = {
            "POSITION": scene.add(own, VERTICES, has_range=True),
            "NORMAL": scene.add(normals(own, outline), VERTICES),
        }
        primitives.append({"attributes": attributes, "indices": known[id(outline)], "material": 0})
    scene.tree |= {
        "scene": 0,
        "scenes": [{"nodes": list(range(count))}],
        "nodes": [{"name": f"image {at}", "mesh": at} for at in range(count)],
        "meshes": [{"primitives": [one]} for one in primitives],
        "materials": [{"name": "skin", "pbrMetallicRoughness": {**ROUGH, "baseColorFactor": [*SKIN, 1.0]}}],
    }
    if count > 1:
        # What is not shown has no size: the one way to hide that every viewer has.
        shown = np.eye(count, dtype=np.float32)[:, :, None].repeat(3, 2)
        channels = [(at, "scale", shown[at], "STEP") for at in range(count)]
        scene.animate(_times(count, fps), channels)
    scene.write(file)


def quaternions(matrices: Numbers) -> Numbers:
    """Computes unit quaternions [n, N, 4] x, y, z, w of rotations [n, N, 3, 3], each on the side of that in the frame
    before, so that what lies between them is the short way."""
    diagonal = np.diagonal(matrices, axis1=-2, axis2=-1)
    trace = diagonal.sum(-1, keepdims=True)
    # Four times the squares of x, y, z and w; the largest of them is safe to divide by.
    squares = np.concatenate((1 + 2 * diagonal - trace, 1 + trace), axis=-1)
    sums = matrices + matrices.swapaxes(-1, -2)
    across = matrices - matrices.swapaxes(-1, -2)
    products = np.empty((*matrices.shape[:-2], 4, 4))
    products[..., :3, :3] = sums
    products[..., 3, :3] = products[..., :3, 3] = np.stack(
        (across[..., 2, 1], across[..., 0, 2], across[..., 1, 0]), axis=-1
    )
    for at in range(4):
        products[..., at, at] = squares[..., at]
    largest = squares.argmax(-1)[..., None, None]
    found = np.take_along_axis(products, np.broadcast_to(largest, (*largest.shape[:-1], 4)), axis=-2)[..., 0, :]
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    side = np.sign((found[1:] * found[:-1]).sum(-1, keepdims=True))
    found[1:] *= np.cumprod(np.where(side < 0, -1.0, 1.0), axis=0)
    return found


def normals(points: NDArray[np.float32], faces: NDArray[np.int64]) -> NDArray[np.float32]:
    """Computes unit normals [P, 3] of a mesh [P, 3], by the areas of the faces around each vertex."""
    corners = points.astype(np.float64)[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    found = np.zeros(points.shape)
    np.add.at(found, faces.reshape(-1), across.repeat(3, 0))
    size = np.linalg.norm(found, axis=1, keepdims=True)
    # A vertex of no face, or of a flat one, has no normal; the format wants one all the same.
    unit: NDArray[np.float32] = np.where(size > 0, found / np.where(size > 0, size, 1), (0, 0, 1)).astype(np.float32)
    return unit


def _bones(scene: Scene, found: Fitted, places: Numbers) -> dict[str, Any]:
    """Adds a solid of eight faces along each bone at rest, which moves with its node, and returns the primitive."""
    skeleton, nodes = found.rig.skeleton, found.rig.nodes
    colours = {**dict.fromkeys(skeleton.left, LEFT), **dict.fromkeys(skeleton.right, RIGHT)}
    solids: list[tuple[int, Numbers, Numbers, tuple[float, ...]]] = []
    for at, node in enumerate(nodes):
        end = node.turns if node.turns >= 0 else node.at
        solids.append((at, places[at], found.tips[at], colours.get(end, MIDDLE)))
    for joint in found.rig.rigid:
        bone = next(places[at] for at, node in enumerate(nodes) if node.at == joint) - places[0]
        solids.append((0, places[0], bone, colours.get(joint, MIDDLE)))
    solids = [one for one in solids if np.linalg.norm(one[2]) > SHORTEST]
    points = np.concatenate([_solid(start, bone) for _, start, bone, _ in solids])
    size = len(points) // len(solids)
    flat = points.reshape(-1, 3, 3)
    across = np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    owners = np.zeros((len(points), 4), np.uint8)
    owners[:, 0] = np.repeat([at for at, *_ in solids], size)
    weights = np.zeros((len(points), 4), np.float32)
    weights[:, 0] = 1
    shades = np.repeat(np.array([colour for *_, colour in solids], np.float32), size, axis=0)
    attributes = {
        "POSITION": scene.add(points.astype(np.float32), VERTICES, has_range=True),
        "NORMAL": scene.add(across.repeat(3, 0).astype(np.float32), VERTICES),
        "COLOR_0": scene.add(shades, VERTICES),
        "JOINTS_0": scene.add(owners, VERTICES),
        "WEIGHTS_0": scene.add(weights, VERTICES),
    }
    return {"attributes": attributes, "material": 0}


def _solid(start: Numbers, bone: Numbers) -> Numbers:
    """Returns the corners [24, 3] of two pyramids on a common square around a bone, a face after the other,
    counterclockwise from outside."""
    along = bone / np.linalg.norm(bone)
    first = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    first /= np.linalg.norm(first)
    second = np.cross(along, first)
    half = WIDTH * np.linalg.norm(bone)
    rim = [start + WAIST * bone + half * way for way in (first, second, -first, -second)]
    around = list(zip(rim, rim[1:] + rim[:1], strict=True))
    faces = [(start, b, a) for a, b in around] + [(start + bone, a, b) for a, b in around]
    return np.array(faces).reshape(-1, 3)


def _times(count: int, fps: float) -> NDArray[np.float32]:
    return (np.arange(count) / fps).astype(np.float32)
