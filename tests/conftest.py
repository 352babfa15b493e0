"""Every test starts from the same seeds, one thread, and an environment without the user's servers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.hookimpl(tryfirst=True)  # before xdist puts the groups into the names of tests
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that start Ray come first. Where several processes share the tests (`make test`), one of them has all of
    these, because they want cores for themselves; others stay together by file, so that fixtures are made once."""
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            group = item.path.stem if item.get_closest_marker("ray") is None else "ray"
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared_dir() -> Path | None:
    """The folder with golden data and real poses beside the repository; None where it is not laid out."""
    folder = REPOSITORY.parent / "shared"
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
    code = "import sys; from pathlib import Path; from search.tracking import MlflowTracker; "
    code += "MlflowTracker('sqlite:///' + sys.argv[1], Path(sys.argv[1]).parent / 'artifacts')"
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=REPOSITORY, check=True)
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
