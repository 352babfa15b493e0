"""--storage: the folder of sweeps, and the URI where trials also keep their checkpoints. Both may be given."""

from __future__ import annotations

import argparse
import importlib.util
from importlib.metadata import entry_points
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
    """--storage."""
    parser.set_defaults(checkpoints=None)
    parser.add_argument(
        "--storage",
        action=_Storage,
        default=Path(STORAGE),
        metavar="DIR",
        help=f"folder of sweeps (default {STORAGE}); of an fsspec URI only checkpoints go there",
    )


class _Storage(argparse.Action):
    """A folder is where journals and checkpoints are; of a URI only the checkpoints are."""

    def __call__(self, parser: Any, options: argparse.Namespace, text: Any, flag: str | None = None) -> None:
        scheme, is_uri, rest = text.partition("://")
        if is_uri and scheme != "file":
            options.checkpoints = text
        else:
            options.storage = Path(rest if is_uri else text)


def uri_problems(uri: str | None) -> list[str]:
    """Why checkpoints cannot be kept at a URI, as far as it tells without asking there."""
    if not uri:
        return []
    scheme, _, rest = uri.partition("://")
    shown = f"--storage {redacted(uri)}"
    if scheme not in STORES and scheme not in {entry.name for entry in entry_points(group="fsspec.specs")}:
        near = did_you_mean(scheme, STORES)
        allowed = ", ".join(f"{kind}://" for kind in STORES)
        return [f"{shown}: no kind of store that keeps checkpoints{near}; allowed: a folder, or {allowed}"]
    package = STORES.get(scheme, "")
    if package and importlib.util.find_spec(package) is None:
        return [f"{shown}: needs the package {package}; install it here and on every node: pip install {package}"]
    return [] if rest.strip("/") else [f"{shown}: names no place; write {scheme}://BUCKET/FOLDER"]


def refuse_uri(options: argparse.Namespace, verb: str) -> None:
    """ConfigError when a verb is given a URI and looks only into folders."""
    if options.checkpoints:
        remedy = f"{verb} looks for sweeps in a folder; give that, or leave it out for {STORAGE}"
        problems = uri_problems(options.checkpoints) or [f"--storage {redacted(options.checkpoints)}: {remedy}"]
        raise ConfigError(verb, problems)


def held_uri(folder: Path) -> str:
    """Where a sweep on record keeps its checkpoints; '' for its own folder."""
    return Journal(folder / FILE).sweep.checkpoints


def check_uri(options: argparse.Namespace, folder: Path, verb: str, *, is_needed: bool = False) -> None:
    """ConfigError when a sweep does not keep its checkpoints at the URI that was given, or, where they are needed,
    they cannot be reached from here."""
    held = held_uri(folder)
    given = options.checkpoints
    if given and given.rstrip("/") != held.rstrip("/"):
        where = f"keeps its checkpoints at {redacted(held)}" if held else f"keeps its checkpoints in {folder}"
        problem = f"--storage {redacted(given)}: sweep '{folder.name}' {where}; leave this --storage out"
        raise ConfigError(verb, [*uri_problems(given), problem])
    if is_needed and (problems := uri_problems(held)):
        raise ConfigError(verb, problems)
