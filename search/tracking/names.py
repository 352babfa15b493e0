"""Names of metrics, params and tags as MLflow takes them, and back."""

from __future__ import annotations

import functools
import hashlib
import re

KEY_CHARACTERS = 250  # limit of mlflow 3.17 (mlflow/utils/validation.py)
# What MLflow refuses anywhere, and the mark itself; a dot with which a part of a path begins, as it resolves '.' and
# '..'; a slash without a part before or behind it.
_REFUSED = re.compile(r"[^A-Za-z0-9_. /-]|(?<![^/])\.|^/|/(?=/|$)")
_MARKED = re.compile(r":(10[0-9a-f]{4}|[0-9a-f]{1,5}):")
_EMPTY = "::"
_DIGEST = 16


@functools.lru_cache(4096)
def key_of(name: str) -> str:
    """Converts a name to a key that MLflow takes: what it refuses becomes the character's number between two colons,
    'a[0]' 'a:5b:0:5d:'. Different names have different keys; one that would be longer than KEY_CHARACTERS ends with a
    hash instead of its rest."""
    key = _REFUSED.sub(lambda found: f":{ord(found[0]):x}:", name) or _EMPTY
    if len(key) <= KEY_CHARACTERS:
        return key
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    # Within a mark the cut would leave half of it.
    kept = re.sub(r":[0-9a-f]*$", "", key[: KEY_CHARACTERS - _DIGEST - 1]).rstrip("/")
    return f"{kept}-{digest}"


def name_of(key: str) -> str:
    """Converts a key back to its name, the inverse of `key_of` for names that were not shortened; a key that is not
    one of ours is returned as it is."""
    if key == _EMPTY:
        return ""
    name = _MARKED.sub(lambda found: chr(int(found[1], 16)), key)
    return name if key_of(name) == key else key
