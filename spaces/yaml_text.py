"""YAML from files and text, strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError

MOST_MERGED = 10_000  # merges of merges grow tenfold a line


class _Loader(yaml.SafeLoader):
    """YAML in which a repeated key is an error instead of a silent last word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if isinstance(key, str) and keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_MERGED:
            raise yaml.constructor.ConstructorError(None, None, f"'<<' merges {len(node.value)} keys", node.start_mark)


def read_yaml(path: Path | str) -> Any:
    """The content of a YAML file; ConfigError when it is missing, unreadable, or not YAML."""
    return parse_yaml(read_text(path), str(path))


def read_text(path: Path | str) -> str:
    """The content of a text file; ConfigError when it is missing, unreadable, or not UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(str(path), [f"cannot be read: {reason}"]) from None


def parse_yaml(text: str, where: str) -> Any:
    """The content of YAML text; ConfigError with the place of the first fault."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML lets a month of 13, digits that are no number, and brackets without end through as plain errors.
        raise ConfigError(where, [f"is not valid YAML: {' '.join(str(error).split())}"]) from None
