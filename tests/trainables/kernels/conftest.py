"""One thread, as the native kernels want it, and their library where there is a C compiler."""

import pytest
import torch

from trainables.kernels.library import library


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def has_library():
    if library() is None:
        pytest.skip("no C compiler here")
