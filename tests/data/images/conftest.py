"""An image set that the tests of crops share."""

import pytest

from tests.made.images import made_images


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A set and its cache, not to be changed."""
    root = tmp_path_factory.mktemp("images")
    made_images(root)
    return root
