"""Groups many calls of MLflow's SQLAlchemy store into one sqlite transaction. It relies on internals of the MLflow
version that requirements.txt pins."""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from mlflow.store.tracking.dbmodels.models import SqlInput, SqlInputTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

PRAGMAS = ("foreign_keys = ON", "busy_timeout = 20000", "case_sensitive_like = true")  # mlflow/store/db/utils.py


class RowsAtOnce(Session):
    """SQLAlchemy session that inserts added rows immediately, without tracking them."""

    def add_all(self, instances: Iterable[object]) -> None:
        """Inserts the rows in bulk. MLflow adds params, metrics and tags this way and never reads them back; to track
        each costs three times as much as to insert it."""
        self.bulk_save_objects(list(instances))


@contextmanager
def one_transaction(store: SqlAlchemyStore) -> Iterator[None]:
    """Runs the store's calls of the calling thread within the block as one sqlite transaction: all are committed, or
    none.

    Each call remains a savepoint, so MLflow's own rollbacks and retries still work; one connection, one set of pragmas
    and one commit serve all calls. Other threads use the store as before."""
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


def dataset_of(store: SqlAlchemyStore, run_id: str) -> str:
    """Returns the id of the data set that is a run's input."""
    with store.ManagedSessionMaker(read_only=True) as session:
        rows = session.query(SqlInput.source_id).filter(SqlInput.source_type == "DATASET")
        return str(rows.filter(SqlInput.destination_id == run_id).one()[0])


def link_dataset(store: SqlAlchemyStore, run_id: str, dataset_id: str, tags: dict[str, str]) -> None:
    """Makes a data set, by its id, the input of a run that has none. MLflow's own call looks for run, data set and
    input first, which takes four times as long."""
    link = uuid.uuid4().hex
    rows: list[object] = [SqlInputTag(input_uuid=link, name=name, value=value) for name, value in tags.items()]
    place = {"source_type": "DATASET", "source_id": dataset_id, "destination_type": "RUN", "destination_id": run_id}
    with store.ManagedSessionMaker(read_only=False) as session:
        session.add_all([SqlInput(input_uuid=link, **place), *rows])
