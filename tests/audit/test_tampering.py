"""Is every kind of tampering with the folder found against a checkpoint that somebody outside holds?"""

from pathlib import Path

import pytest

from tests.audit.conftest import LOG, publish_log
from tests.audit.tampering import KINDS, OLD, STORY, found, places
from tiprouter.audit.verify import verify_folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log before anything was done to it."""
    return publish_log(tmp_path_factory.mktemp("original") / "log", STORY)


@pytest.mark.parametrize("kind", KINDS)
def test_tampering_is_found(original: Path, tmp_path: Path, kind: str) -> None:
    """At the first and last entry and some between; `python -m tests.audit.tampering` takes two hundred places."""
    assert [place for place in places(4) if not found(original, tmp_path / "work", kind, place)] == []


def test_the_log_verifies_before_anything_was_done_to_it(original: Path) -> None:
    """The control: what is found above is the tampering."""
    assert verify_folder(original, LOG.vkey, OLD).ok
    assert len(KINDS) >= 20
