"""What tests of several folders share."""

import pytest
from checkouts import Checkout, copy_sources


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with the small image built, from an empty cache: the cold build itself."""
    folder = tmp_path_factory.mktemp("built")
    checkout = Checkout(folder / "ssiuml", folder / "cache")
    checkout.folder.mkdir()
    copy_sources(checkout.folder)
    checkout.build()
    return checkout
