"""Copies of a trial's checkpoints at an fsspec URI, for clusters whose nodes share no disk."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from spaces.errors import ConfigError, one_line
from trainables.runs.names import BEST, CONFIG, LATEST

from ..environment.store import redacted
from ..record.journal import Journal, trial_folder
from ..record.trial import Trial


class MirrorError(Exception):
    """Raised when the checkpoint store at a URI does not answer or refuses a file."""


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each driver has exceptions of its own
        raise MirrorError(f"the checkpoint store {redacted(uri)}: {redacted(one_line(error))}") from error


def _trials_at(uri: str, sweep: str) -> str:
    return f"{uri.rstrip('/')}/{sweep}/trials"


class Mirror:
    """Copy of a trial's folder under `uri`, e.g. s3://bucket/sweeps. Methods raise MirrorError, with what the fsspec
    driver raised, if the store does not answer or refuses."""

    def __init__(self, uri: str, sweep: str, trial: int) -> None:
        self._uri = uri
        with _translated(uri):
            self._files, self._root = fsspec.core.url_to_fs(f"{_trials_at(uri, sweep)}/{trial:04d}")

    def send(self, folder: Path, *, with_best: bool) -> None:
        """Uploads config, last training state and, with `with_best`, the best weights before the state, so that the
        best weights that a state refers to always exist. `folder`: the trial's local folder."""
        with _translated(self._uri):
            for name in (CONFIG, *((BEST,) if with_best else ()), LATEST):
                target = f"{self._root}/{name}"
                self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
                # A rename where the store knows one; object stores put whole files anyway.
                self._files.put_file(str(folder / name), f"{target}.part")
                self._files.mv(f"{target}.part", target)

    def fetch(self, folder: Path) -> None:
        """Downloads the trial's files to `folder`, unless it holds a training state already."""
        if (folder / LATEST).exists():
            return
        with _translated(self._uri):
            for name in (CONFIG, BEST, LATEST):
                if self._files.exists(f"{self._root}/{name}"):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    self._files.get_file(f"{self._root}/{name}", str(folder / name))


def copies(uri: str, sweep: str) -> dict[str, int]:
    """Lists the copies of a sweep's trials: path below the folder of trials, e.g. 0003/best.safetensors -> bytes.
    MirrorError if the store does not answer."""
    with _translated(uri):
        files, root = fsspec.core.url_to_fs(_trials_at(uri, sweep))
        files.invalidate_cache()
        try:
            found = files.find(root, detail=True)
        except FileNotFoundError:
            return {}
        return {path[len(root) :].lstrip("/"): int(facts.get("size") or 0) for path, facts in found.items()}


def copy_all(uri: str, sweep: str, new: str) -> None:
    """Copies at the store all that a sweep keeps there to the place of the sweep `new`. MirrorError if the store does
    not answer or refuses."""
    with _translated(uri):
        files, root = fsspec.core.url_to_fs(_trials_at(uri, sweep))
        _, target = fsspec.core.url_to_fs(_trials_at(uri, new))
        for path in copies(uri, sweep):
            files.makedirs(f"{target}/{path}".rpartition("/")[0], exist_ok=True)
            files.cp_file(f"{root}/{path}", f"{target}/{path}")


def discard_copies(uri: str, sweep: str, paths: Iterable[str]) -> None:
    """Deletes copies, given as `copies` lists them; a training state with the folder that it is in. MirrorError if the
    store refuses."""
    with _translated(uri):
        files, root = fsspec.core.url_to_fs(_trials_at(uri, sweep))
        for path in paths:
            target = f"{root}/{path}"
            try:
                if path.endswith(f"/{LATEST}"):
                    files.rm(target.rpartition("/")[0], recursive=True)
                else:
                    files.rm_file(target)
            except FileNotFoundError:
                continue


def check_store(uri: str) -> None:
    """Tests that the fsspec URI is writable by writing a file and deleting it. ConfigError if it is not."""
    try:
        files, root = fsspec.core.url_to_fs(uri.rstrip("/"))
        probe = f"{root}/.posesweep-{uuid.uuid4().hex}"
        files.makedirs(root, exist_ok=True)
        files.pipe_file(probe, b"can this be written?")
        files.rm_file(probe)
    except Exception as error:  # each driver has exceptions of its own
        remedy = "look at the address, and at the rights of this account there"
        problem = f"cannot be written: {redacted(one_line(error))}; {remedy}"
        raise ConfigError(f"--storage {redacted(uri)}", [problem]) from None


def bring(journal: Journal, trial: Trial) -> None:
    """Downloads a trial's files to its local folder if the sweep keeps its checkpoints at a URI; does nothing
    otherwise."""
    uri = journal.sweep.checkpoints
    if uri:
        Mirror(uri, journal.sweep.name, trial.number).fetch(trial_folder(journal.path.parent, trial.number))
