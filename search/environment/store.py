"""MLflow tracking URI and environment variables. Imports no mlflow, so that input is checked at once and the variables
can be set before mlflow reads them."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import unquote

from spaces.errors import ConfigError

SCHEMES = (
    "sqlite",
    "http",
    "https",
    "postgresql",
    "mysql",
    "mssql",
)  # mlflow.store.db.db_types, and its server
VARIABLE = "MLFLOW_TRACKING_URI"


def environment() -> dict[str, str]:
    """Returns environment variables for MLflow, to be set before mlflow is imported, where the user has not set them.

    A call to a dead server fails within seconds instead of four minutes (MLflow: 7 retries of 120 s each), because the
    spool retries. MLflow prints neither run URLs nor messages about its database migrations."""
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
    }


def default_uri(root: Path) -> str:
    """Returns the default sqlite tracking URI, of a file below the folder `root`, as an absolute path, because Ray
    changes the working directory of its processes."""
    return sqlite_uri(root.resolve() / "mlruns" / "mlflow.db")


def sqlite_uri(path: Path) -> str:
    """Formats the tracking URI of the sqlite database at the absolute `path`."""
    text = re.sub("[%?#]", lambda found: f"%{ord(found[0]):X}", str(path))
    # MLflow decodes the path to open it, and makes the folders above it as they stand in the URI, unless a driver is
    # named in front.
    return f"sqlite{'' if text == str(path) else '+pysqlite'}:///{text}"


def resolve_uri(option: str | None, root: Path) -> str:
    """Resolves the tracking URI: `option` if given, else MLFLOW_TRACKING_URI, else the default. A relative sqlite path
    is taken from `root`; %XX in it is decoded.

    ConfigError for a plain folder, which MLflow 3 refuses, for an unknown scheme, and for a URI without host or
    file."""
    where, uri = ("--tracking-uri", option) if option else (VARIABLE, os.environ.get(VARIABLE, ""))
    if not uri:
        return default_uri(root)
    scheme, found, rest = uri.partition("://")
    dialect = scheme.lower().partition("+")[0]
    instead = "use sqlite:///mlruns/mlflow.db, or http://HOST:5000 of a server"
    if not found or dialect == "file":
        fault = f"{redacted(uri)} is a folder of plain files, which mlflow 3 no longer writes to; {instead}"
        raise ConfigError(where, [fault])
    if dialect not in SCHEMES:
        raise ConfigError(where, [f"{redacted(uri)}: no such kind of store; known: {', '.join(SCHEMES)}; {instead}"])
    if dialect != "sqlite":
        if not rest.strip("/"):
            raise ConfigError(where, [f"{redacted(uri)} names no host; {instead}"])
        return uri
    path, mark, query = rest.removeprefix("/").partition("?")
    if not rest.startswith("/") or path in ("", ":memory:") or path.endswith("/"):
        raise ConfigError(where, [f"{redacted(uri)} names no database file; write sqlite:/// and then the path of one"])
    if mark and "=" not in query:
        raise ConfigError(
            where, [f"{redacted(uri)}: a '?' in the path of the file is written %3F, a '%' is written %25"]
        )
    return f"{sqlite_uri(root.resolve() / unquote(path))}{mark}{query}"


def sqlite_path(uri: str) -> Path | None:
    """Returns the database file of a resolved sqlite URI; None for any other URI."""
    scheme, _, rest = uri.partition(":///")
    return Path(unquote(rest.partition("?")[0])) if scheme.partition("+")[0] == "sqlite" else None


def store_problems(uri: str) -> list[str]:
    """Checks that a resolved tracking URI can be written to, as far as that is known without a server or another
    program's patience: a sqlite file, or the folder of a new one. Returns a message, or []. A locked database is no
    problem."""
    database = sqlite_path(uri)
    if database is None:
        return []
    another = "give another --tracking-uri"
    try:
        if not os.path.lexists(database):
            above = next(folder for folder in database.parents if os.path.exists(folder))
            tempfile.TemporaryFile(dir=above).close()
            return []
        if not database.is_file():
            return [f"{database} is no file; give --tracking-uri the path of one, e.g. sqlite:///mlruns/mlflow.db"]
        # sqlite makes files of its own beside it while it writes.
        tempfile.TemporaryFile(dir=database.parent).close()
        with contextlib.closing(sqlite3.connect(database, timeout=0.0, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            # That a file may only be read shows at a change, which is not kept.
            connection.execute("CREATE TABLE posesweep_writes (number INTEGER)")
            connection.execute("ROLLBACK")
    except OSError as error:
        return [f"{database} cannot be written ({error.strerror}); change the rights of its folder, or {another}"]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return []
        return [f"{database} cannot be written ({error}); change its rights, or {another}"]
    except sqlite3.DatabaseError as error:
        return [f"{database} cannot be read ({error}); restore it from a backup, move it away, or {another}"]
    return []


def check_tracking(uri: str) -> None:
    """Raises ConfigError if `store_problems` finds any at a resolved tracking URI."""
    if problems := store_problems(uri):
        raise ConfigError("MLflow's store", problems)


def artifact_root(uri: str, root: Path) -> Path:
    """Returns the artifact folder of a database without a server: `artifacts` beside a sqlite file, else under
    `root`/mlruns. `uri`: resolved tracking URI."""
    database = sqlite_path(uri)
    return (root.resolve() / "mlruns" if database is None else database.parent) / "artifacts"


# What the name of a query parameter holds, or is, if its value is secret; and what the name of a variable ends with.
_SECRET = re.compile(
    r"password|passwd|passphrase|passcode|pwd|token|secret|signature|credential|authorization|bearer"
    r"|(api|access|account|private|shared)[-_. ]?key|^(.*[-_.])?(pass|pw|sig|sas|key|auth)$",
    re.IGNORECASE,
)
_SECRET_END = re.compile(
    r"(.*_)?(password|passwd|passphrase|pwd|token|secret|credentials?|((secret_)?access|api)_key(_id)?)", re.IGNORECASE
)
# Kinds of stores whose URI may name an account, or a container, before the host; of others a lone word
# there is a token.
_LOGINS = ("postgresql", "mysql", "mssql", "sftp", "ssh", "ftp", "hdfs", "webhdfs", "smb", "az", "abfs", "abfss")
_NO_PASSWORDS = ("", "x-oauth-basic")  # beside them the user's name is the token
_WHOLE = re.compile(r"[A-Za-z][\w+.-]*://(?:(?![:;,.]\s|\s--)[^\n\0])*")
_ENCODED = re.compile(r"[^\s\"']*%3a(?:%2f){2}[^\s\"']*", re.IGNORECASE)
_QUERY = re.compile(r"([?&;#])([^\s?&;#=\"']+)=((?:[^&#\n]*(?=&[\w%.-]+=))|[^&#\s\"']*)")
_ASSIGNED = re.compile(
    r"(?<![\w./-])([\"']?)((?:[A-Z0-9]+_)*[A-Z]+|[a-z]+(?:_[a-z]+)*)\1(=|\s*:\s*(?=[\"']))('[^'\n]*'|\"[^\"\n]*\"|[^\s&;,\"')\]}]+)"
)
_HEADER = re.compile(
    r"((?:authorization[\"']?\s*[:=]\s*[\"']?(?:basic |bearer |token )?)|bearer )[^\s\"']+", re.IGNORECASE
)
_SUSPECT = re.compile(r"://|%3a%2f%2f|pass|pwd|pw|token|secret|sig|credential|auth|bearer|key|sas", re.IGNORECASE)


def redacted(text: str) -> str:
    """Replaces the secrets in a text by ***: passwords and tokens before the host of a URI, with any characters in
    them, percent-encoded or not; values of query parameters, variables and options whose names mean secrets (`token`,
    `X-Amz-Signature`, `AWS_SECRET_ACCESS_KEY`); `Authorization` headers. Where a text could be read in two ways the
    longer stretch is taken for the secret."""
    if not _SUSPECT.search(text):
        return text
    if _WHOLE.fullmatch(text):
        # One URI, to its last character: blanks are part of it.
        return _redacted(text.replace(" ", "\0")).replace("\0", " ")
    return "\n".join(map(_redacted, text.split("\n")))


def _redacted(line: str) -> str:
    line = _ENCODED.sub(_decoded, line) if "%" in line else line
    front, *uris = re.split(r"([A-Za-z][\w+.-]*)://", line)
    after = [f"{scheme}://{_after(scheme, rest)}" for scheme, rest in zip(uris[::2], uris[1::2], strict=True)]
    line = _QUERY.sub(_parameter, front + "".join(after))
    line = _ASSIGNED.sub(_variable, line)
    return _HEADER.sub(r"\1***", line)


def _parameter(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}=***" if value and _SECRET.search(unquote(name)) else found[0]


def _variable(found: re.Match[str]) -> str:
    quote, name, sign, value = found.groups()
    if not _SECRET_END.fullmatch(name):
        return found[0]
    around = value[0] if value[0] in "\"'" else ""
    return f"{quote}{name}{quote}{sign}{around}***{around}"


def _decoded(found: re.Match[str]) -> str:
    """Returns a percent-encoded URI decoded and redacted if there is a secret in it, else as it is."""
    decoded = unquote(found[0])
    hidden = redacted(decoded)
    return found[0] if hidden == decoded else hidden


def _after(scheme: str, rest: str) -> str:
    """Redacts what follows `scheme://`, up to the next URI of the line."""
    word = re.split(r"[\"'](?=[,;:}\])\s]|$)|\s", rest, maxsplit=1)[0]
    user = re.split(r"[/?#@:\[\]]", word, maxsplit=1)[0]
    dialect = scheme.lower().partition("+")[0]
    behind = word[len(user) : len(user) + 1]
    if behind == "@":
        host = re.split(r"[/?#]", word)[0].rindex("@")
        return rest if dialect in _LOGINS else "***" + rest[host:]
    if behind != ":" or _is_port(dialect, word[len(user) + 1 :]):
        return rest
    host = _host(rest, word)
    if host < 0:
        return rest
    password = rest[len(user) + 1 : host]
    return f"{'***' if password in _NO_PASSWORDS else user}:***{rest[host:]}"


def _is_port(dialect: str, text: str) -> bool:
    """Returns whether the text after `host:` is a port and no password. Databases take a slash within passwords."""
    port = re.match(r"\d*(?=[/?#,;.)\]}]|$)", text)
    return port is not None and not (dialect in ("postgresql", "mysql", "mssql") and "@" in text)


def _host(rest: str, word: str) -> int:
    """Finds the @ before the host; returns its place, or -1. It is the last one of the word, or, as a password may hold
    blanks, a later one before a host with a path or port."""
    further = [found.start() for found in re.finditer(r"@(?=[\w.-]+(?:/|:\d)|\[)", rest)]
    if "@" in word:
        return max([word.rindex("@"), *further])
    return max([*further, rest.rfind("@")])
