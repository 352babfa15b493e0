"""Finds the YAML file of a space."""

from __future__ import annotations

from pathlib import Path

from .errors import ConfigError, did_you_mean

FOLDER = Path(__file__).parent


def find_space(name: str) -> Path:
    """Returns the file of a space. `name`: a model, or a path to a YAML file. ConfigError suggests the nearest
    model."""
    known = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise ConfigError(
            name, ["there is no such space file; give a path to a YAML space or one of: " + ", ".join(known)]
        )
    raise ConfigError(f"model '{name}'", [f"is not here{did_you_mean(name, known) or '.'} Models: {', '.join(known)}"])
