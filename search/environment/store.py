"""Where MLflow keeps its runs: its address, and the environment it wants. Imports no mlflow, so that input is checked
at once and the environment can be set before mlflow reads it."""

from __future__ import annotations

import os
import re
from pathlib import Path

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
    """Variables to set, where the user has not, before mlflow is imported.

    A call to a dead server fails within seconds instead of four minutes (mlflow: 7 retries, 120 s each): our own
    spool repeats it. Mlflow prints neither run addresses nor how it makes its tables."""
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
    }


def default_uri(root: Path) -> str:
    """The database of a repository at `root`, by absolute path: Ray changes the working directory of its processes."""
    return f"sqlite:///{root.resolve() / 'mlruns' / 'mlflow.db'}"


def resolve_uri(option: str | None, root: Path) -> str:
    """The option, else MLFLOW_TRACKING_URI, else the default; a relative sqlite path is taken from `root`.

    ConfigError for a plain folder, which mlflow 3 refuses, and for an address that mlflow does not know."""
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
    return f"{scheme}:///{root.resolve() / path}{mark}{query}"


def sqlite_path(uri: str) -> Path | None:
    """The database file of a resolved sqlite URI; None for all others."""
    scheme, _, rest = uri.partition(":///")
    return Path(rest.partition("?")[0]) if scheme.partition("+")[0] == "sqlite" else None


def artifact_root(uri: str, root: Path) -> Path:
    """Where a database without a server keeps artifacts: beside a sqlite file, else under `root`/mlruns."""
    database = sqlite_path(uri)
    return (root.resolve() / "mlruns" if database is None else database.parent) / "artifacts"


def redacted(text: str) -> str:
    """Text with the passwords of all URIs in it replaced by ***."""
    text = re.sub(r"(://[^/@:\s]*):[^/\s]*@", r"\1:***@", text)
    return re.sub(r"([?&](?:password|passwd|token|secret)=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)
