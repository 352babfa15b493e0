"""YAML: read strictly, repeated keys and excessive merges being errors, and written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError

MOST_MERGED = 10_000  # merges of merges grow tenfold a line
LARGEST_BYTES = 2**15  # of a file; configs and spaces take a quarter of it, and PyYAML a second for all
MOST_NESTED = 100  # brackets within brackets, for each of which PyYAML looks at all around it again and again


class _Loader(yaml.SafeLoader):
    """YAML loader that rejects repeated keys, of which PyYAML keeps the last, and more than MOST_MERGED merged keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        counts = Counter(key.value for key, _ in node.value if isinstance(key.value, str))
        twice = sorted(key for key, count in counts.items() if count > 1)
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_MERGED:
            raise yaml.constructor.ConstructorError(None, None, f"'<<' merges {len(node.value)} keys", node.start_mark)


def read_yaml(path: Path | str) -> Any:
    """Reads and parses a YAML file. ConfigError if it is missing, unreadable or not valid YAML."""
    return parse_yaml(read_text(path), str(path))


def read_text(path: Path | str) -> str:
    """Reads a UTF-8 text file. ConfigError if it is missing, unreadable, not UTF-8, or larger than LARGEST_BYTES."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise ConfigError(str(path), [f"is larger than {LARGEST_BYTES:,} bytes, so it is no config and no space"])
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(str(path), [f"cannot be read: {reason}"]) from None


def parse_yaml(text: str, where: str) -> Any:
    """Parses YAML text. `where`: file for messages. ConfigError with the position of the first error."""
    depth, deepest = 0, 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if bracket in "[{" else -1))
        deepest = max(deepest, depth)
    if deepest > MOST_NESTED:
        raise ConfigError(where, [f"is not valid YAML: brackets are nested {deepest} deep, allowed is {MOST_NESTED}"])
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML lets a month of 13, digits that are no number, and brackets without end through as plain errors.
        raise ConfigError(where, [f"is not valid YAML: {' '.join(str(error).split())}"]) from None


class _Dumper(yaml.SafeDumper): ...


class _QuickDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)): ...  # type: ignore[misc]  # of libyaml


for _one in (_Dumper, _QuickDumper):
    _one.add_representer(
        tuple, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
    )


def canonical_text(tree: Mapping[str, Any], *, is_quick: bool = False) -> str:
    """Formats a config as canonical YAML, its tuples in one line each. `is_quick`: by libyaml, where it is there."""
    text: str = yaml.dump(tree, Dumper=_QuickDumper if is_quick else _Dumper, sort_keys=False, width=100)
    return text


def yaml_text(tree: Any) -> str:
    """Formats what `parse_yaml` returns as YAML text that parses to the same."""
    text: str = yaml.safe_dump(tree, sort_keys=False, width=100)
    return text


def comments_above(text: str, section: str) -> dict[str, str]:
    """Reads the comment that stands right above each key of a top-level section, its lines joined with blanks; '' for a
    key without one. `text`: a mapping that `parse_yaml` has parsed."""
    root, lines = yaml.compose(text, Loader=_Loader), text.splitlines()
    found: dict[str, str] = {}
    for name, part in root.value if isinstance(root, yaml.MappingNode) else ():
        if name.value == section and isinstance(part, yaml.MappingNode):
            for key, _ in part.value:
                first = last = key.start_mark.line
                while first and lines[first - 1].lstrip().startswith("#"):
                    first -= 1
                found[key.value] = " ".join(line.strip().lstrip("# ") for line in lines[first:last])
    return found
