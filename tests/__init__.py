"""Tests, sorted by floor. A package, so that `tests` of an installed library does not stand in for it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the repository
SHARED = ROOT.parent / "shared"  # golden data and real poses, where they lie beside the repository
