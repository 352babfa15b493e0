"""Two people of real motion whose ways cross, as a detector without tracks finds them."""

import numpy as np

from data.formats.poses.calibration import read_cameras
from data.inputs.tracks import tracked
from data.poses.detected import projected_px

KEPT = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]  # of Human3.6M's 32 joints
FRAMES, ASIDE, DROPPED, LOST, NOISE_PX = 120, 0.7, 0.06, 0.03, 4.0  # ASIDE: metres of each way from where they meet


def real_walks(folder):
    """The walks of the CMU files by name, [n, 17, 3], and the cameras of every rig."""
    stored = np.load(folder / "data_3d_cmu.npz", allow_pickle=True)["positions_3d"].item()
    clips = {
        f"{subject} {action}": pose[:, KEPT] if pose.shape[1] == 32 else pose
        for subject, actions in stored.items()
        for action, pose in actions.items()
        if action.startswith("Walk ") and len(pose) >= FRAMES
    }
    return clips, list(read_cameras(folder / "cameras_cmu.json").values())


def crossing(rng, clips, cameras):
    """Two people of motion capture whose ways cross, seen by cameras with noise, scores, lost joints and people."""
    poses = []
    for at, name in enumerate(rng.choice(sorted(clips), 2, replace=False)):
        pose = clips[name][:FRAMES].astype(np.float64)
        way = pose[-1, 0, :2] - pose[0, 0, :2]
        turn = at * np.pi + rng.uniform(-0.6, 0.6) - np.arctan2(way[1], way[0])
        rotation = np.array(((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))))
        aside = (0, ASIDE * (1 if at else -1))
        pose[..., :2] = (pose[..., :2] - pose[FRAMES // 2, 0, :2]) @ rotation.T + aside
        poses.append(pose.astype(np.float32))
    for camera in cameras:
        pixels = [projected_px(pose, camera) for pose in poses]
        people = [
            (
                frame,
                who,
                pixels[who][frame] + rng.normal(0, NOISE_PX, (17, 2)),
                np.clip(rng.normal(0.8, 0.1, 17), 0.05, 1),
            )
            for frame in range(FRAMES)
            for who in rng.permutation(2)
            if rng.random() > DROPPED
        ]
        for _, _, joints, score in people:
            lost = rng.random(17) < LOST
            joints[lost], score[lost] = 0, 0
        yield people


def identity(people):
    """In how many detections the person who is followed, the one in most frames, is the right one, and is not."""
    values = np.stack([np.column_stack((joints, score)) for *_, joints, score in people])
    frame, who = np.array([one[0] for one in people]), np.array([one[1] for one in people])
    track = tracked(values, frame).track
    followed = track == np.bincount(track).argmax()
    own = np.bincount(who[followed]).argmax()
    return int((followed & (who == own)).sum()), int((followed != (who == own)).sum())
