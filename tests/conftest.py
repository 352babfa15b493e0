"""Every test starts from the same seeds, one thread, and an environment without the user's servers."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import ROOT
from tests.made import warm

# What a run imports and collects, a million objects, stays to its end: to look through them again and again for garbage
# takes a quarter of the collection.
gc.set_threshold(100_000, 50, 50)

RAY_FILES = frozenset(
    path.name for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.ray" in path.read_text()
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that start Ray come first: they take longest."""
    items.sort(key=lambda item: item.path.name not in RAY_FILES)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, for `make test`
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """One process has the tests of sweeps and one those of clusters that start Ray: they wait more than they compute,
    but many at once would not come up in time. The others take files, whose fixtures are made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return Path(file).parent.name if Path(file).name in RAY_FILES else file

    return ByFile(config, log)


# Ray gives its workers the nice value 15: beside tests that compute they would hardly run.
os.environ.setdefault("RAY_worker_niceness", "0")


@pytest.fixture(scope="session")
def shared_dir() -> Path | None:
    """The folder with golden data and real poses beside the repository; None where it is not laid out."""
    folder = ROOT.parent / "shared"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session", autouse=True)
def own_claims(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sweeps of the tests share the machine among themselves; what else runs on it is not asked."""
    os.environ["POSESWEEP_CLAIMS"] = str(tmp_path_factory.mktemp("claims"))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs: to make its tables takes seconds, to copy it none."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    # In a process of its own: MLflow's database layer warns on import, and here warnings are errors.
    code = "import sys; from pathlib import Path; from search.tracking.mlflow_tracker import MlflowTracker; "
    code += "MlflowTracker('sqlite:///' + sys.argv[1], Path(sys.argv[1]).parent / 'artifacts')"
    done = warm.run(["-c", code, str(path)], os.environ, 600)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(autouse=True)
def same_start(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)
    for name in list(os.environ):
        if name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS") or (
            name.startswith("POSESWEEP_") and name != "POSESWEEP_CLAIMS"
        ):
            monkeypatch.delenv(name)
