"""Frame numbers from names of files: the digits that vary."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from spaces.errors import shown

_DIGITS = re.compile(r"\d+")
MOST_DIGITS = 18  # of a frame's number; more do not fit into 64 bits


def frame_numbers(names: Iterable[str]) -> dict[str, int] | str:
    """Returns the frame number in each name, or as text why these are no frames of one video.

    The number is the group of digits that varies from name to name, all else being equal. Where several vary, it is
    one that is different in every name, of these the one with the smallest span. A single name has its last digits, or
    0."""
    stems = {name: _stem(name) for name in dict.fromkeys(names)}
    groups = {name: _DIGITS.findall(stem) for name, stem in stems.items()}
    if any(len(digits) > MOST_DIGITS for found in groups.values() for digits in found):
        return f"names like {shown(next(iter(stems)))} hold numbers of more than {MOST_DIGITS} digits"
    if len(stems) == 1:
        (name, found), *_ = groups.items()
        return {name: int(found[-1]) if found else 0}
    first, *others = stems
    template = _DIGITS.sub("#", stems[first])
    for name in others:
        if _DIGITS.sub("#", stems[name]) != template:
            pair = f"names like {shown(first)} and {shown(name)}"
            return f"{pair} differ in more than a number: they are no frames of one video"
    columns = [[int(digits) for digits in column] for column in zip(*groups.values(), strict=True)]
    varying = [column for column in columns if len(set(column)) > 1]
    if not varying:
        return f"{shown(first)} and {shown(others[0])} give the same frame number; name every frame once"
    telling = [column for column in varying if len(set(column)) == len(column)]
    if not telling:
        return _repeated(list(stems), varying)
    numbers = min(telling, key=lambda column: max(column) - min(column))
    return dict(zip(stems, numbers, strict=True))


def _repeated(names: list[str], varying: list[list[int]]) -> str:
    """Says which names give one number, or that several numbers vary."""
    if len(varying) > 1:
        return (
            f"names like {shown(names[0])} and {shown(names[-1])} differ in {len(varying)} numbers, none of which is "
            "different in every name: they are several videos; give the frames of one"
        )
    (column,) = varying
    seen: dict[int, str] = {}
    for name, number in zip(names, column, strict=True):
        if number in seen:
            return f"{shown(seen[number])} and {shown(name)} both give frame {number}; name every frame once"
        seen[number] = name
    raise AssertionError(f"no number is repeated: {names}")


def _stem(name: str) -> str:
    """Returns a name without its ending, which may hold digits that number nothing; digits alone have none."""
    suffix = PurePath(name).suffix
    return name if re.fullmatch(r"\.\d+", suffix) else name.removesuffix(suffix)
