"""One transaction for many calls of MLflow's database store. It reaches into the store that requirements.txt pins."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

PRAGMAS = ("foreign_keys = ON", "busy_timeout = 20000", "case_sensitive_like = true")  # mlflow/store/db/utils.py


class RowsAtOnce(Session):
    """A session that inserts added rows at once and keeps no account of them."""

    def add_all(self, instances: Iterable[object]) -> None:
        """Inserts the rows. MLflow adds params, metrics and tags this way and reads none of them again: to keep track
        of what becomes of each costs three times as much as to insert it."""
        self.bulk_save_objects(list(instances))


@contextmanager
def one_transaction(store: SqlAlchemyStore) -> Iterator[None]:
    """Makes the store's calls of this thread in the block one transaction of sqlite: all of it is there, or nothing.

    Each call remains a savepoint of its own, so what MLflow undoes and tries again works as ever; what is saved is
    the commit of each, the connection and the settings of each."""
    thread, plain = threading.get_ident(), store.ManagedSessionMaker
    with store.engine.connect() as connection:
        for pragma in PRAGMAS:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        # At once: a transaction that only reads at first cannot wait for another that writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

        def make_session(read_only: bool = True) -> AbstractContextManager[Session]:
            # The store is one for the whole process; others may use it meanwhile.
            return _savepoint(connection) if threading.get_ident() == thread else plain(read_only=read_only)

        store.ManagedSessionMaker = make_session
        # Asked for anew for every run that is made, which is a tenth of what that costs.
        vars(store)["get_experiment"] = functools.cache(store.get_experiment)
        try:
            yield
            connection.commit()
        finally:
            store.ManagedSessionMaker = plain
            del vars(store)["get_experiment"]


@contextmanager
def _savepoint(connection: Connection) -> Iterator[Session]:
    with RowsAtOnce(bind=connection, join_transaction_mode="create_savepoint") as session:
        yield session
        session.commit()
