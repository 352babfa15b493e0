"""Every golden file of PARITY_DIR (default ../shared/parity, else the copies in tests/golden), one test a file."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT, SHARED
from tests.parity import augmentation as parity_augmentation
from tests.parity import crops as parity_crops
from tests.parity import datapath as parity_datapath
from tests.parity import geometry as parity_geometry
from tests.parity import images as parity_images
from tests.parity import lifting as parity_lifting
from tests.parity import mesh as parity_mesh
from tests.parity import sgraformer_data as parity_sgraformer_data
from trainables import registry

GOLDEN = SHARED / "parity"
FOLDER = Path(os.environ.get("PARITY_DIR") or (GOLDEN if GOLDEN.is_dir() else ROOT / "tests" / "golden"))
FILES = sorted(FOLDER.glob("*.npz"))
DATA_CHECKS = {
    "geometry": parity_geometry.check,
    "datapath": parity_datapath.check,
    "sgraformer-data": parity_sgraformer_data.check,
    "context_aware_poseformer-data": parity_crops.check,
    "mesh_graphormer-augmentation": parity_augmentation.check,
}
# By the beginning of a file's name; other models have the layout of the lifting ones.
MODEL_CHECKS = {
    "context_aware_poseformer-": parity_images.check,
    "mesh_graphormer-hrnet-": parity_images.check,
    "mesh_graphormer-": parity_mesh.check,
    "freihand-": parity_mesh.check,
}


def check_of(stem):
    """How a file is checked; None where its model is not here."""
    if stem in DATA_CHECKS:
        return DATA_CHECKS[stem]
    for prefix, check in MODEL_CHECKS.items():
        if stem.startswith(prefix):
            return check
    return parity_lifting.check if stem.partition("-")[0] in registry.names() else None


def test_there_are_golden_files():
    assert FILES, f"no .npz in {FOLDER}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path):
    check = check_of(path.stem)
    if check is None:
        pytest.skip(f"{path.stem}: its model is not here; models: {', '.join(registry.names())}")
    with np.load(path, allow_pickle=False) as archive:
        check(archive)
