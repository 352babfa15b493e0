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
    """Returns the sqlite tracking URI of the repository at `root`, as an absolute path, because Ray changes the working
    directory of its processes."""
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
        raise ConfigError(where, [f"{uri} names no database file; write sqlite:/// and then the path of one"])
    if mark and "=" not in query:
        raise ConfigError(where, [f"{uri}: a '?' in the path of the file is written %3F, a '%' is written %25"])
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


def redacted(text: str) -> str:
    """Replaces the passwords and tokens of all URIs in a text by ***."""
    text = re.sub(r"(://[^/@:\s]*):[^/\s]*@", r"\1:***@", text)
    return re.sub(r"([?&](?:password|passwd|token|secret)=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)
