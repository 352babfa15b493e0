"""Memory of networks of full size goes back to the system: glibc keeps what was freed in small pieces."""

import ctypes
import gc

import pytest


def trim():
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if give_back is not None:
        give_back(0)


@pytest.fixture(autouse=True)
def given_back():
    yield
    trim()


@pytest.fixture(scope="module", autouse=True)
def collected():
    yield
    gc.collect()
    trim()
