"""Token by which Ray knows its clients: made if missing, and readable by its owner only."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from ..environment.variables import token_file


def settle_token(*, may_make: bool) -> str:
    """Narrows the rights of the token file of Ray, which Ray 2.60 makes readable by all, to 0600, and makes it if it is
    missing and `may_make`. Returns what was done, '' for nothing. Where no file can be made, this process and those
    that it starts have a token of their own."""
    if os.environ.get("RAY_AUTH_MODE", "token") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return ""
    path = token_file()
    try:
        facts = path.stat()
    except OSError:
        # One that the user names and that is not there is Ray's to refuse.
        return _made(path) if may_make and "RAY_AUTH_TOKEN_PATH" not in os.environ else ""
    if not facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return ""
    found = f"Ray's token {path}, by which one runs code as you, can be read by others"
    try:
        path.chmod(0o600)
    except OSError as error:
        return f"{found}, and its rights cannot be narrowed: {error.strerror}"
    return f"{found}: its mode was {stat.S_IMODE(facts.st_mode):04o} and is 0600 now"


def tell_token(*, may_make: bool) -> None:
    """Does as `settle_token` and prints on stderr what was done."""
    if done := settle_token(may_make=may_make):
        print(done, file=sys.stderr, flush=True)


def _made(path: Path) -> str:
    token = secrets.token_hex(32)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)  # 0600
        try:
            with os.fdopen(handle, "w") as file:
                file.write(token)
            # A link, not a rename: of two processes that make it at once, the second must not take the first's away.
            with suppress(FileExistsError):
                os.link(name, path)
            if not path.is_file():
                raise OSError(errno.EEXIST, "it is there and is no file")
        finally:
            os.unlink(name)
    except OSError as error:
        os.environ["RAY_AUTH_TOKEN"] = token
        return f"Ray's token cannot be kept in {path} ({error.strerror}): this Ray has one of its own, for its lifetime"
    return f"made {path}, mode 0600: the token without which nobody uses a Ray of yours"
