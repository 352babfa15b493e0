"""Golden data of the VideoPose3D sampler: chunk lists, two epochs of batches, and whole-track batches."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.batches.windows import Windows, mirror_where, reference_order, windows
from data.poses.geometry import mirror_intrinsics
from data.poses.skeleton import H36M_17

Archive = Mapping[str, np.ndarray]


def check(archive: Archive) -> None:
    """Assert every array of the archive, for whatever cases it names."""
    cases = [found for key in archive if (found := re.fullmatch(r"(chunk|unchunk)_(.+)_config", key))]
    names = [found[1] for key in archive if (found := re.fullmatch(r"seq3d_(.+)", key))]
    names.sort(key=int)
    assert cases, list(archive)
    assert names, list(archive)
    for case in cases:
        config = json.loads(str(archive[case[0]]))
        if case[1] == "chunk":
            _check_chunks(archive, Tracks(archive, names), f"chunk_{case[2]}", config)
        else:
            _check_whole_tracks(archive, names, f"unchunk_{case[2]}", config)


class Tracks:
    """Some tracks of the archive, one after the other."""

    def __init__(self, archive: Archive, names: Sequence[str]) -> None:
        left, right = archive["kps_left"].tolist(), archive["kps_right"].tolist()
        self.mirror = dataclasses.replace(H36M_17, left=tuple(left), right=tuple(right)).mirror
        self.lengths = torch.tensor([len(archive[f"seq3d_{name}"]) for name in names])
        self.pose2d = torch.from_numpy(np.concatenate([archive[f"seq2d_{name}"] for name in names]))
        self.pose3d = torch.from_numpy(np.concatenate([archive[f"seq3d_{name}"] for name in names]))
        self.camera = torch.from_numpy(np.stack([archive[f"cam_{name}"] for name in names]))

    def windows(self, config: Mapping[str, Any], chunk: int) -> Windows:
        frames, shift = 2 * config["pad"] + 1, config["causal_shift"]
        return windows(self.lengths, frames=frames, chunk=chunk, shift=shift, mirrored=config["augment"])

    def gather(self, samples: Windows, index: Tensor) -> dict[str, np.ndarray]:
        """2D poses, 3D poses and cameras of samples index [B] by their names in the archive."""
        pose2d, pose3d = self.pose2d[samples.rows(index)], self.pose3d[samples.target_rows(index)]
        camera = self.camera[samples.track[index]]
        if samples.is_mirrored is not None:
            marked = samples.is_mirrored[index]
            pose2d = mirror_where(pose2d, marked, self.mirror)
            pose3d = mirror_where(pose3d, marked, self.mirror)
            camera = torch.where(marked[:, None], mirror_intrinsics(camera), camera)
        return {"2d": pose2d.numpy(), "3d": pose3d.numpy(), "cam": camera.numpy()}


def _check_chunks(archive: Archive, tracks: Tracks, name: str, config: Mapping[str, Any]) -> None:
    chunk, size = config["chunk_length"], config["batch_size"]
    samples = tracks.windows(config, chunk)
    count = len(samples)
    flip = samples.is_mirrored if samples.is_mirrored is not None else torch.zeros(count)
    pairs = torch.stack((samples.track, samples.start, samples.start + chunk, flip.long()), dim=1)
    np.testing.assert_array_equal(pairs.numpy(), archive[f"{name}_pairs"])
    assert math.ceil(count / size) == archive[f"{name}_num_batches"], name
    for epoch in (1, 2):
        order = torch.arange(count)
        if config["shuffle"]:
            order = reference_order(count, epoch - 1, config["random_seed"])
        batches = order.split(size)
        assert [len(batch) for batch in batches] == archive[f"{name}_epoch{epoch}_sizes"].tolist(), name
        found = [tracks.gather(samples, batch) for batch in batches]
        for part in ("2d", "3d", "cam"):
            values = np.concatenate([batch[part] for batch in found])
            if epoch == 1:
                # Values are copied and negated, never computed with: they must be the same numbers.
                np.testing.assert_array_equal(values, archive[f"{name}_epoch1_{part}"])
            else:
                sums = values.reshape(count, -1).sum(axis=1, dtype=np.float64)
                # Sums in float64 of equal numbers; the archive does not tell their order.
                np.testing.assert_allclose(sums, archive[f"{name}_epoch2_{part}_rowsum"], rtol=0, atol=1e-9)


def _check_whole_tracks(archive: Archive, names: Sequence[str], name: str, config: Mapping[str, Any]) -> None:
    """A whole-track batch is one chunk as long as its track, and then its mirror image where asked for."""
    for track in names:
        tracks = Tracks(archive, [track])
        samples = tracks.windows(config, chunk=int(tracks.lengths[0]))
        found = tracks.gather(samples, torch.arange(len(samples)))
        for part, values in found.items():
            np.testing.assert_array_equal(values, archive[f"{name}_{track}_{part}"])
