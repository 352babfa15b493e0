"""The tiny set of the tests of arrays."""

import pytest
import torch

from tests.made.small import tiny_config, tiny_module, write_tiny


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), frames=14)  # 168 samples, 21 steps of 8


@pytest.fixture(scope="module")
def data(root):
    return tiny_module(tiny_config(root), dtype=torch.float64)
