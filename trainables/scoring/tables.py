"""Result tables of `evaluate`: as JSON for programs, and as the papers' tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.batches.samples import Samples
from spaces.table import text_table

from .metrics import Sums, heading, in_table
from .multiscale import RUNS
from .protocols import PROTOCOLS

Metrics = Mapping[str, float]
IN_COLUMNS = ("mpjpe_mm", "p_mpjpe_mm")  # metrics of which the papers print every action of every subject


def table(sums: Sums, data: Samples, protocol: dict[str, Any]) -> dict[str, Any]:
    """Returns frame mean, action mean, every action and every subject, and the extra groups of the data's protocol;
    mesh sets have neither actions nor subjects. Millimetres, but for PCK, AUC and F-scores, from 0 to 1."""
    if not data.actions:
        means = {"frame_mean": sums.frame_mean(), "action_mean": sums.group_mean()}
        return {"metrics": means, "per_action": {}, "per_subject": {}, "protocol": protocol}
    actions, subjects, published = data.actions, data.subjects, PROTOCOLS[data.config.family.key]
    groups = range(sums.num_groups)
    by_action = sums.merged([group // len(subjects) for group in groups], len(actions))
    by_subject = sums.merged([group % len(subjects) for group in groups], len(subjects))
    result = {
        "metrics": {"frame_mean": by_action.frame_mean(), "action_mean": by_action.group_mean()},
        "per_action": by_action.per_group(actions),
        "per_subject": by_subject.per_group(subjects),
        "protocol": protocol | {"scored_poses_per_subject": by_subject.frames(subjects)},
    }
    if published.has_cells:
        cells = sums.per_group([(action, subject) for action in actions for subject in subjects])
        result["per_action_and_subject"] = {
            action: {subject: cells[action, subject] for subject in subjects if (action, subject) in cells}
            for action in result["per_action"]
        }
    if published.scenes:
        scenes = list(published.scenes)
        scene_of = {subject: at for at, members in enumerate(published.scenes.values()) for subject in members}
        into = [scene_of.get(subjects[group % len(subjects)], -1) for group in groups]
        result["per_scene"] = sums.merged(into, len(scenes)).per_group(scenes)
    return result


def table_text(result: dict[str, Any]) -> str:
    """Formats one line on the data, subjects and weights, then the table that the papers print of such data."""
    protocol, metrics = result["protocol"], result["metrics"]
    weights = f"weights of epoch {protocol['weights_epoch']}, {protocol['selection']}"
    if protocol["mesh"]:
        crops = f"average of {len(RUNS)} crops each" if protocol["multiscale"] else "one crop each"
        seen = f"{protocol['scored_poses']} images of a {protocol['mesh']}, {crops}"
        told = f"{protocol['model']} on {protocol['data']}, {', '.join(protocol['subjects'])}: {seen}; {weights}"
        return f"{told}\n{_rows('images', {'all': metrics['frame_mean']})}"
    told = (
        f"{protocol['model']} on {protocol['data']}, subjects {', '.join(protocol['subjects'])}: "
        f"{protocol['scored_poses']} poses, 2D {protocol['keypoints']}, {protocol['joints']} joints, "
        f"{protocol['frames']} frame(s), {protocol['views']} view(s), "
        f"{'flip averaged' if protocol['flip'] else 'no flip'}; {weights}"
    )
    means = {"action mean": metrics["action_mean"], "frame mean": metrics["frame_mean"]}
    if "per_action_and_subject" in result:
        subjects = list(result["per_subject"])
        tables = [_columns(result, name, subjects) for name in IN_COLUMNS]
        return "\n\n".join([f"{told}\n{tables[0]}", *tables[1:], _rows("all subjects", means)])
    if "per_scene" in result:
        counts = protocol["scored_poses_per_subject"]
        sequences = {f"{name} ({counts[name]} frames)": values for name, values in result["per_subject"].items()}
        rows = {**sequences, **result["per_scene"], "all, by frames": metrics["frame_mean"]}
        return f"{told}\n{_rows('sequence', rows)}"
    return f"{told}\n{_rows('action', {**result['per_action'], **means})}"


def _rows(title: str, rows: Mapping[str, Metrics]) -> str:
    """Formats rows by name, a column per metric."""
    names = list(dict.fromkeys(name for values in rows.values() for name in values))
    cells = [[row, *(in_table(name, values.get(name)) for name in names)] for row, values in rows.items()]
    return text_table([title, *(heading(name) for name in names)], cells)


def _columns(result: Mapping[str, Any], name: str, subjects: Sequence[str]) -> str:
    """Formats one metric of every action of every subject, with the means over frames and over actions."""
    cells: Mapping[str, Mapping[str, Metrics]] = result["per_action_and_subject"]
    rows: list[list[object]] = [
        [action, *(values.get(subject, {}).get(name) for subject in subjects), result["per_action"][action].get(name)]
        for action, values in cells.items()
    ]
    of_subject = [
        _mean(values[subject][name] for values in cells.values() if subject in values) for subject in subjects
    ]
    rows.append(["action mean", *of_subject, result["metrics"]["action_mean"].get(name)])
    totals = [result["per_subject"][subject].get(name) for subject in subjects]
    rows.append(["frame mean", *totals, result["metrics"]["frame_mean"].get(name)])
    return text_table([heading(name), *subjects, "frame mean"], rows)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
