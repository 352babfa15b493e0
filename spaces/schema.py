"""Typed configuration schema: dataclasses whose fields are knobs with type, bounds and help text, addressed by dotted
path. Loads, overrides, compares and hashes configs; errors list every problem at once."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

from .errors import ConfigError, did_you_mean, shown
from .yaml_text import canonical_text

Config = TypeVar("Config")
Scalar = bool | int | float | str | None
Value = Scalar | tuple[Scalar, ...]
WHOLE = range(-(2**63), 2**63)  # what 64 bits hold, and with them every library below
# Bounds of the knobs that networks are built of; beyond them no memory holds a network, so none is built to be weighed.
LARGEST_SIZE, MOST_LAYERS, LARGEST_RATIO = 2**14, 1000, 100
# Knobs that were added when there were configs with ids, by section and name: what has their defaults keeps its id, by
# which training states, runs and sweeps are found.
YOUNGER: Mapping[tuple[str, str], Scalar] = types.MappingProxyType({("data", "scores"): False})


@typing.runtime_checkable
class HasLaws(Protocol):
    """Protocol of a config section with constraints between its fields: `problems` yields (field, message) for each
    violated constraint."""

    def problems(self) -> Iterator[tuple[str, str]]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Knob:
    """Specification of one configuration field: dotted `path`, declared Python `type`, default, help text, unit, bounds
    (value > `above`, >= `least`, < `below`, <= `most`) and allowed `choices`."""

    path: str
    type: Any
    default: Any
    help: str
    unit: str = ""
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    choices: tuple[Scalar, ...] = ()
    lane: bool = False

    @property
    def allowed(self) -> str:
        """Describes the allowed values in words, for messages and tables."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">", self.above), (">=", self.least), ("<", self.below), ("<=", self.most))
            if bound is not None
        ]
        return " and ".join([type_name(self.type), *bounds])

    def read(self, value: object) -> Value:
        """Converts a value, possibly text, to the declared type and checks its bounds and choices. ValueError with the
        reason if it is not allowed."""
        result: Value = _coerce(self.type, value)
        numbers = [n for n in (result if isinstance(result, tuple) else (result,)) if is_number(n)]
        inside = all(
            (self.above is None or n > self.above)
            and (self.least is None or n >= self.least)
            and (self.below is None or n < self.below)
            and (self.most is None or n <= self.most)
            for n in numbers
        )
        if any(isinstance(n, int) and n not in WHOLE for n in numbers):
            raise ValueError(f"is beyond 64 bits; allowed: {self.allowed}")
        if not inside:
            raise ValueError(f"out of bounds; allowed: {self.allowed}")
        if self.choices and result not in self.choices:
            raise ValueError(f"not allowed{did_you_mean(str(result), map(str, self.choices))}; {self.allowed}")
        return result


def knob(default: Any, *, help: str, **rules: Any) -> Any:
    """Declares a dataclass field as a knob. `rules` are fields of Knob: above, least, below, most, choices, lane,
    unit."""
    return dataclasses.field(default=default, metadata={"help": help, **rules})


def type_name(kind: Any) -> str:
    """Formats a declared type for messages: 'float', 'list of str', 'int or none'."""
    if typing.get_origin(kind) is tuple:
        return f"list of {type_name(typing.get_args(kind)[0])}"
    if isinstance(kind, types.UnionType):
        return " or ".join("none" if part is type(None) else type_name(part) for part in kind.__args__)
    return str(kind.__name__)


def is_number(value: object) -> typing.TypeGuard[int | float]:
    """Returns whether a value is an int or a float; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _coerce(kind: Any, value: object) -> Any:
    """Converts a value to the declared type. Text is parsed, because YAML loaders read 1e-4 as text and a command line
    gives only text. ValueError if it cannot be converted or is not finite."""
    if typing.get_origin(kind) is tuple:
        part = typing.get_args(kind)[0]
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError(f"expected {type_name(kind)}, got {type(value).__name__}")
        return tuple(_coerce(part, item.strip() if isinstance(item, str) else item) for item in items if item != "")
    if isinstance(kind, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
            return None
        kind = next(part for part in kind.__args__ if part is not type(None))
    if kind is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind is not bool and isinstance(value, bool):
        raise ValueError(f"expected {type_name(kind)}, got bool")
    if kind in (int, float) and isinstance(value, str):
        try:
            value = kind(value)
        except ValueError:
            raise ValueError(f"expected {type_name(kind)}, got text '{shown(value)}'") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise ValueError("must be finite") from None
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be finite")
    if not isinstance(value, kind):
        raise ValueError(f"expected {type_name(kind)}, got {type(value).__name__}")
    return value


@functools.cache
def _fields(cls: Any) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple((field, hints[field.name]) for field in dataclasses.fields(cls))


def _section(field: dataclasses.Field[Any], hint: Any, sections: Mapping[str, type]) -> type | None:
    """Returns the dataclass of a section field, None if the field is a knob. `sections`: field name -> dataclass chosen
    by the model, instead of the declared one."""
    if "help" in field.metadata:
        return None
    section: type = sections.get(field.name, hint)
    return section


def knobs(cls: type, sections: Mapping[str, type] | None = None, prefix: str = "") -> dict[str, Knob]:
    """Lists every knob of the config class `cls` by dotted path, in order of declaration. `sections`: field name ->
    dataclass of a section chosen by the model; `prefix`: put before every path."""
    found: dict[str, Knob] = {}
    for field, hint in _fields(cls):
        path = prefix + field.name
        section = _section(field, hint, sections or {})
        if section is None:
            found[path] = Knob(path=path, type=hint, default=field.default, **field.metadata)
        else:
            found |= knobs(section, None, path + ".")
    return found


def load(cls: type[Config], tree: object, where: str, sections: Mapping[str, type] | None = None) -> Config:
    """Builds a config of class `cls` from a nested mapping; missing fields take their defaults. `where`: file or
    command for messages; `sections` as in `knobs`. ConfigError lists every problem."""
    problems: list[str] = []
    config = _build(cls, tree, "", sections or {}, problems)
    if problems or config is None:
        raise ConfigError(where, problems)
    return config


def _build(
    cls: type[Config], tree: object, prefix: str, sections: Mapping[str, type], problems: list[str]
) -> Config | None:
    if not isinstance(tree, Mapping):
        problems.append(f"{prefix.rstrip('.') or 'the file'} must be a mapping of names to values")
        return None
    fields = _fields(typing.cast(Any, cls))
    values: dict[str, Any] = {}
    for field, hint in fields:
        section = _section(field, hint, sections)
        if section is not None:
            part = _build(section, tree.get(field.name, {}), f"{prefix}{field.name}.", {}, problems)
            values[field.name] = _Unread() if part is None else part
        elif field.name in tree:
            spec = Knob(path=prefix + field.name, type=hint, default=field.default, **field.metadata)
            try:
                values[field.name] = spec.read(tree[field.name])
            except ValueError as error:
                problems.append(f"{spec.path} = {shown(tree[field.name])}: {error}")
        elif field.default is dataclasses.MISSING:
            problems.append(f"{prefix}{field.name} is missing")
        else:
            values[field.name] = field.default
    names = [field.name for field, _ in fields]
    for key in tree:
        if key not in names:
            near = did_you_mean(shown(key), names).replace("mean ", f"mean {prefix}")
            problems.append(f"{prefix}{shown(key)}: no such field{near or '; fields here: ' + ', '.join(names)}")
    if len(values) < len(fields):
        return None
    config = cls(**values)
    problems += _broken_laws(config, prefix)
    return config


class _UnreadError(Exception):
    """Raised when a constraint uses a section that could not be read."""


class _Unread:
    """Placeholder for a section that could not be read, so that the constraints that do not use it are still
    checked."""

    def __getattr__(self, name: str) -> Any:
        raise _UnreadError(name)


def _broken_laws(config: object, prefix: str) -> Iterator[str]:
    """Checks the constraints of this section, not of its subsections; yields 'path = value message' per violated
    one."""
    try:
        for path, text in config.problems() if isinstance(config, HasLaws) else ():
            value = functools.reduce(getattr, path.split("."), config)
            yield f"{prefix}{path} = {value} {text}"
    except _UnreadError:
        return


def override(
    config: Config, values: Mapping[str, object], where: str, sections: Mapping[str, type] | None = None
) -> Config:
    """Returns a copy of the config with some knobs changed. `values`: dotted path -> value or text; `where`, `sections`
    as in `load`. ConfigError lists every problem."""
    known = knobs(type(config), sections)
    unknown = [
        f"{path}: no such knob{did_you_mean(path, known) or '; all: python -m search list --knobs MODEL'}"
        for path in values
        if path not in known
    ]
    changed = nest(flatten(config) | {path: value for path, value in values.items() if path in known})
    try:
        result = load(type(config), changed, where, sections)
    except ConfigError as error:
        raise ConfigError(where, [*unknown, *error.problems_in(where)]) from None
    if unknown:
        raise ConfigError(where, unknown)
    return result


def tree_of(config: object) -> dict[str, Any]:
    """Converts a config to a nested mapping of all fields, the inverse of `load`."""
    assert dataclasses.is_dataclass(config), type(config)
    tree: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        tree[field.name] = tree_of(value) if dataclasses.is_dataclass(value) else value
    return tree


def flatten(config: object, prefix: str = "") -> dict[str, Value]:
    """Converts a config to a flat mapping: dotted path -> value of every knob, in order. `prefix`: put before every
    path."""
    return flat(tree_of(config), prefix)


def spelled(value: object) -> str:
    """Formats a knob's value as `--set KNOB=VALUE` takes it; '' for an empty text or list."""
    if isinstance(value, tuple | list):
        return ",".join(spelled(part) for part in value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Flattens a nested mapping to dotted path -> value. `prefix`: put before every path."""
    found: dict[str, Value] = {}
    for name, value in tree.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Converts dotted path -> value to a nested mapping, the inverse of `flat`."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, leaf = path.split(".")
        branch = functools.reduce(lambda at, name: at.setdefault(name, {}), parents, tree)
        branch[leaf] = value
    return tree


def diff(one: object, other: object) -> dict[str, tuple[Value, Value]]:
    """Compares two configs: dotted path -> (value in one, value in other) of every knob that differs; None where a
    config lacks it."""
    left, right = flatten(one), flatten(other)
    return {path: (left.get(path), right.get(path)) for path in left | right if left.get(path) != right.get(path)}


def dump(config: object) -> str:
    """Formats a config as canonical YAML with every field: equal configs give equal text, and floats are exact."""
    return canonical_text(tree_of(config))


def config_id(config: object) -> str:
    """Computes the id of a config: the first ten hex digits of the SHA-256 of its canonical YAML, without the knobs in
    YOUNGER that have their defaults."""
    return tree_id(tree_of(config))


def tree_id(tree: Mapping[str, Any]) -> str:
    """Computes the `config_id` of a config given as a nested mapping with all fields in order; lists, as JSON has them,
    count as tuples."""
    for (section, name), default in YOUNGER.items():
        if isinstance(part := tree.get(section), Mapping) and part.get(name) == default:
            tree = {**tree, section: {key: value for key, value in part.items() if key != name}}
    return _id_of(json.dumps(tree))


@functools.lru_cache(maxsize=256)  # it is asked for where a trial is made, and where it begins
def _id_of(text: str) -> str:
    # In six times the time of libyaml PyYAML makes the same text, but for lines that it breaks beside an escape.
    found = canonical_text(_with_tuples(json.loads(text)), is_quick="\\" not in text)
    return hashlib.sha256(found.encode()).hexdigest()[:10]


def _with_tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_tuples(part) for name, part in value.items()}
    return tuple(_with_tuples(part) for part in value) if isinstance(value, list | tuple) else value
