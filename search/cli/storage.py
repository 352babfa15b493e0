"""Command-line option --storage: the folder of sweeps, or the fsspec URI to which trials also copy their checkpoints.
It may be given twice, once for each."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError, did_you_mean

from ..environment.store import redacted
from ..record.journal import FILE, Journal
from ..record.plan import STORAGE

# Kinds of stores that fsspec writes whole files to -> the package that it needs for them. Those that cannot be written,
# or are gone with the process that writes them (memory), keep no checkpoint.
STORES = {
    "local": "",
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hdfs": "pyarrow",
    "webhdfs": "requests",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "ftp": "",
    "smb": "smbprotocol",
    "webdav": "webdav4",
    "oss": "ossfs",
    "oci": "ocifs",
    "tos": "tosfs",
    "hf": "huggingface_hub",
    "dropbox": "dropboxdrivefs",
    "dbfs": "requests",
}


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Adds the option --storage, which sets `storage` (folder) and `checkpoints` (URI or None)."""
    parser.set_defaults(checkpoints=None)
    parser.add_argument(
        "--storage",
        action=_Storage,
        default=Path(STORAGE),
        metavar="DIR",
        help=f"folder of sweeps (default {STORAGE}); of an fsspec URI only checkpoints go there",
    )


class _Storage(argparse.Action):
    """Action of --storage: stores a folder in `storage` and a URI in `checkpoints`."""

    def __call__(self, parser: Any, options: argparse.Namespace, text: Any, flag: str | None = None) -> None:
        scheme, is_uri, rest = text.partition("://")
        if is_uri and scheme != "file":
            options.checkpoints = text
        else:
            folder = rest if is_uri else text
            if not folder or not folder.isprintable():
                parser.error(f"argument --storage: {folder!r} is no folder; give one without control characters")
            options.storage = Path(folder)


def uri_problems(uri: str | None) -> list[str]:
    """Checks, without network access, that checkpoints can be kept at a URI: a writable kind of store, its package
    installed, a path given. Returns one message per problem; none for None or ''."""
    if not uri:
        return []
    scheme, _, rest = uri.partition("://")
    shown = f"--storage {redacted(uri)}"
    if redacted(uri) != uri:
        # The journal keeps the URI, and colleagues read that.
        remedy = f"keep it where fsspec looks for it: FSSPEC_{scheme.upper()}='{{\"password\": ...}}', or its conf.json"
        return [f"{shown}: a password or token in it would stand in the sweep's record; {remedy}"]
    if scheme not in STORES:
        near = did_you_mean(scheme, STORES)
        allowed = ", ".join(f"{kind}://" for kind in STORES)
        return [f"{shown}: no kind of store that keeps checkpoints{near}; allowed: a folder, or {allowed}"]
    package = STORES[scheme]
    if package and importlib.util.find_spec(package) is None:
        return [f"{shown}: needs the package {package}; install it here and on every node: pip install {package}"]
    return [] if rest.strip("/") else [f"{shown}: names no place; write {scheme}://BUCKET/FOLDER"]


def refuse_uri(options: argparse.Namespace, verb: str) -> None:
    """Raises ConfigError if --storage is a URI; for verbs that look up sweeps in a folder only."""
    if options.checkpoints:
        remedy = f"{verb} looks for sweeps in a folder; give that, or leave it out for {STORAGE}"
        problems = uri_problems(options.checkpoints) or [f"--storage {redacted(options.checkpoints)}: {remedy}"]
        raise ConfigError(verb, problems)


def held_uri(folder: Path) -> str:
    """Returns the URI to which the sweep in `folder` copies its checkpoints; '' if it keeps them in its folder only.
    DataError if the journal is damaged or has no record."""
    return Journal(folder / FILE).sweep.checkpoints


def check_uri(options: argparse.Namespace, folder: Path, verb: str, *, is_needed: bool = False) -> None:
    """Raises ConfigError if a --storage URI differs from the one that the sweep in `folder` uses. `is_needed`: the verb
    reads checkpoints, so the sweep's own URI must be usable from here, too."""
    held = held_uri(folder)
    given = options.checkpoints
    if given and given.rstrip("/") != held.rstrip("/"):
        where = f"keeps its checkpoints at {redacted(held)}" if held else f"keeps its checkpoints in {folder}"
        problem = f"--storage {redacted(given)}: sweep '{folder.name}' {where}; leave this --storage out"
        raise ConfigError(verb, [*uri_problems(given), problem])
    if is_needed and (problems := uri_problems(held)):
        raise ConfigError(verb, problems)
