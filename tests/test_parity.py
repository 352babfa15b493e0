"""Every golden file of PARITY_DIR (default ../shared/parity, else the copies in tests/golden), one test a file."""

import os
from pathlib import Path

import numpy as np
import parity_augmentation
import parity_crops
import parity_datapath
import parity_geometry
import parity_lifting
import pytest

from trainables import registry

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "parity"
FOLDER = Path(os.environ.get("PARITY_DIR") or (SHARED if SHARED.is_dir() else HERE / "golden"))
FILES = sorted(FOLDER.glob("*.npz"))
DATA_CHECKS = {
    "geometry": parity_geometry.check,
    "datapath": parity_datapath.check,
    "context_aware_poseformer-data": parity_crops.check,
    "mesh_graphormer-augmentation": parity_augmentation.check,
}


def test_there_are_golden_files():
    assert FILES, f"no .npz in {FOLDER}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path):
    model = path.stem.partition("-")[0]
    if path.stem not in DATA_CHECKS and model not in registry.names():
        pytest.skip(f"{model} is not among the models here: {', '.join(registry.names())}")
    with np.load(path, allow_pickle=False) as archive:
        DATA_CHECKS.get(path.stem, parity_lifting.check)(archive)
