"""The shipped bundles, an engine of each, and a copy of a folder that a test may spoil."""

import shutil
from pathlib import Path

import pytest

from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.files import shipped


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The shipped bundle, loaded once."""
    return load(shipped("survivor-led"))


@pytest.fixture(scope="session")
def engine(bundle: Bundle) -> Engine:
    """Its engine."""
    return Engine(bundle)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped bundle's folder."""
    return Path(shutil.copytree(shipped("survivor-led"), tmp_path / "bundle"))


@pytest.fixture(scope="session")
def tip_sharing() -> Bundle:
    """The other shipped bundle, loaded once."""
    return load(shipped("tip-sharing"))


@pytest.fixture(scope="session")
def sharing_engine(tip_sharing: Bundle) -> Engine:
    """Its engine."""
    return Engine(tip_sharing)


@pytest.fixture
def tip_sharing_folder(tmp_path: Path) -> Path:
    """A copy of the other shipped bundle's folder."""
    return Path(shutil.copytree(shipped("tip-sharing"), tmp_path / "tip-sharing"))
