"""`ui NAME --optuna`: Optuna's dashboard over the study of a sweep, on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna_dashboard
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Server(ThreadingMixIn, WSGIServer):
    """WSGI server that answers requests in threads of their own."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Handler of requests that does not print them."""

    def log_message(self, format: str, *values: object) -> None:
        """Prints nothing."""


class Guarded:
    """WSGI application: the dashboard over the storage file at `file`, for requests by the host names `names` from its
    own pages alone, as it asks no passwords. A file that was begun anew, as by `resume`, is opened anew."""

    def __init__(self, file: Path, names: Iterable[str]) -> None:
        self._file = file
        self._names = frozenset(names)
        self._number: int | None = None
        self._app: App | None = None

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answers a request."""
        asked = [f"//{environ.get('HTTP_HOST', '')}", *filter(None, [environ.get("HTTP_ORIGIN")])]
        if not all(urlsplit(one).hostname in self._names for one in asked):
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"this dashboard does not answer to that name; see --allowed-host\n"]
        number = self._file.stat().st_ino
        if self._app is None or number != self._number:
            storage = JournalStorage(JournalFileBackend(str(self._file)))
            self._app, self._number = optuna_dashboard.wsgi(storage), number
        return self._app(environ, start)


@contextmanager
def served(file: Path, names: Iterable[str], host: str, port: int) -> Iterator[Server]:
    """Opens the dashboard on host and port for the block, which lets the server that it yields serve."""
    with make_server(host, port, Guarded(file, names), server_class=Server, handler_class=Quiet) as server:
        yield server
