"""Names of axes, and of the answers to the question which of them points up."""

from __future__ import annotations

AXES = "xyz"
UP_AXES = tuple(sign + axis for sign in ("", "-") for axis in AXES)
AUTO = "auto"  # found from the motion
