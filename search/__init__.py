"""Hyperparameter sweeps of 3D human-pose models: `search.launch`, `search.open`, and the command line `python -m
search`. What is named here is imported when it is first used, so that `import search` is light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spaces.loading import named

if TYPE_CHECKING:
    from data.errors import DataError
    from spaces.errors import ConfigError

    from .notebook.sweep import Sweep, SweepError, launch
    from .notebook.sweep import open_sweep as open

__all__ = ["ConfigError", "DataError", "Sweep", "SweepError", "launch", "open"]

_HOMES = {
    "launch": "search.notebook.sweep:launch",
    "open": "search.notebook.sweep:open_sweep",
    "Sweep": "search.notebook.sweep:Sweep",
    "SweepError": "search.notebook.sweep:SweepError",
    "ConfigError": "spaces.errors:ConfigError",
    "DataError": "data.errors:DataError",
}


def __getattr__(name: str) -> Any:
    """Imports a name of the interface. AttributeError for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module 'search' has no attribute {name!r}; it has {', '.join(__all__)}")
    return named(_HOMES[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
