"""Tube meshes: rings of vertices around joints, which synthetic bodies and hands consist of.

A ring's centre is the mean of its vertices, all skinned alike, so that the mean over a ring at a joint is the joint in
every pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..poses.signals import Signal

Index = NDArray[np.int64]

BLEND = 0.15  # of a bone's length on each side of a joint, over which its two parts share the skin


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """Place [3] on the axis of a tube, metres; `part`: which starts there, None where none does; `rings` from here to
    the next station."""

    place: tuple[float, float, float]
    rings: int
    part: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tube:
    """Tube through stations, parts in order of the chain; `owner`: part of the skin before the first of them.

    `across`: direction of the first half axis of a ring; radii: half axes (metres) by share of the way in rings."""

    owner: int
    stations: tuple[Station, ...]
    across: tuple[float, float, float]
    radii: Mapping[float, tuple[float, float]]
    sides: int

    @property
    def num_rings(self) -> int:
        """The number of rings; the last station has the last ring."""
        return sum(station.rings for station in self.stations) + 1

    @property
    def ring_of(self) -> dict[int, int]:
        """Part -> the ring at its joint."""
        starts = np.cumsum([0, *(station.rings for station in self.stations)])
        return {
            station.part: int(start)
            for station, start in zip(self.stations, starts[:-1], strict=True)
            if station.part is not None
        }


def shape_tube(tube: Tube, places: Sequence[Signal], girth: Signal) -> Signal:
    """Returns the vertices [R * sides, 3] of a tube whose stations lie at `places`; girth [R, 2] multiplies its half
    axes."""
    at = np.cumsum([0, *(station.rings for station in tube.stations)])[: len(places)]
    rings = np.arange(tube.num_rings)
    centres = np.stack([np.interp(rings, at, axis) for axis in np.array(places).T], axis=-1)
    steps = np.diff(centres, axis=0)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    along = np.concatenate((steps[:1], steps[:-1] + steps[1:], steps[-1:]))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    first = np.array(tube.across) - along * (along @ np.array(tube.across))[:, None]
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    shares = rings / rings[-1]
    control = np.array(list(tube.radii.values()))
    radii = np.stack([np.interp(shares, list(tube.radii), control[:, axis]) for axis in range(2)], axis=-1) * girth
    angle = np.arange(tube.sides) * (2 * np.pi / tube.sides)
    offsets = (
        np.cos(angle)[:, None] * (first * radii[:, :1])[:, None]
        + np.sin(angle)[:, None] * (second * radii[:, 1:])[:, None]
    )
    vertices: Signal = (centres[:, None] + offsets).reshape(-1, 3)
    return vertices


def tube_weights(tube: Tube, num_parts: int) -> Signal:
    """Returns skinning weights [R * sides, K]: each part has its bone, and shares the ring at its joint in halves."""
    parts = [tube.owner, *(station.part for station in tube.stations if station.part is not None)]
    places = np.array([station.place for station in tube.stations])
    way = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))))
    at = np.cumsum([0, *(station.rings for station in tube.stations)])[: len(way)]
    along = np.interp(np.arange(tube.num_rings), at, way)
    joints = [way[number] for number, station in enumerate(tube.stations) if station.part is not None]
    ends = [*joints, way[-1]]
    weights = np.zeros((tube.num_rings, num_parts))
    weights[:, parts[0]] = 1
    for number, joint in enumerate(joints):
        bones = [ends[number + 1] - joint, *([joint - joints[number - 1]] if number else [])]
        share = np.clip((along - joint) / (2 * BLEND * min(bones)) + 0.5, 0, 1)
        share = share * share * (3 - 2 * share)
        before = weights[:, parts[number]].copy()
        weights[:, parts[number]] = before * (1 - share)
        weights[:, parts[number + 1]] = before * share
    return weights.repeat(tube.sides, axis=0)


def side_faces(first: int, rings: int, sides: int) -> Index:
    """Returns the triangles [n, 3] between the rings of a tube whose vertices begin at `first`, counterclockwise from
    outside; the two of a quad are adjacent."""
    here = np.arange(sides)
    after = (here + 1) % sides
    ring = first + np.arange(rings - 1)[:, None] * sides
    low, next_low, next_high, high = ring + here, ring + after, ring + sides + after, ring + sides + here
    return np.stack((low, next_low, next_high, low, next_high, high), axis=-1).reshape(-1, 3)


def cap_faces(first: int, sides: int, *, is_end: bool) -> Index:
    """Returns the triangles [sides - 2, 3] that close a ring without a vertex in its middle."""
    inner = np.arange(1, sides - 1)
    pair = (inner, inner + 1) if is_end else (inner + 1, inner)
    return first + np.stack((np.zeros_like(inner), *pair), axis=-1)


def stitches(vertices: Signal, ring: Index, others: Index, count: int) -> Index:
    """Returns `count` triangles that connect a ring to the vertices nearest to it among the `others`: without them the
    tubes of a mesh would be separate, and its graph not connected."""
    spots = ring[np.arange(count) * len(ring) // count]
    after = ring[(np.arange(count) * len(ring) // count + 1) % len(ring)]
    away = ((vertices[spots][:, None] - vertices[others]) ** 2).sum(-1)
    return np.stack((spots, after, others[away.argmin(1)]), axis=-1)


def orthogonal(directions: Signal) -> Signal:
    """Orthogonalises directions [n, ...]: removes from each its components along those before (Gram-Schmidt)."""
    flat = directions.reshape(len(directions), -1).copy()
    for at in range(1, len(flat)):
        for before in flat[:at]:
            flat[at] -= before * (flat[at] @ before) / (before @ before)
    return flat.reshape(directions.shape)
