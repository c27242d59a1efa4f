"""Is a whole database that was put back to an older copy noticed, on either database?"""

from pathlib import Path

import pytest

from tests.audit.turning_back import KINDS, Kept, found
from tests.support.embedded import prepared

PLACES = 3


@pytest.mark.parametrize("kind", KINDS)
async def test_a_database_that_was_set_back_is_noticed(migrated_url: str, tmp_path: Path, kind: str) -> None:
    """At the beginning and right before the end; `python -m tests.audit.tampering` takes 200 places, or 20."""
    it = Kept(migrated_url, tmp_path, PLACES)
    try:
        await it.grow()
        assert [place for place in (0, PLACES - 1) if not await found(it, kind, place)] == []
    finally:
        await it.dropped()


async def test_a_database_put_back_to_what_it_is_goes_on(tmp_path: Path) -> None:
    """The control: a copy of this very moment, put back under a running keeper, is no other history."""
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    await prepared(url)
    it = Kept(url, tmp_path, 1)
    await it.grow()
    assert not await found(it, "set the database back, before a start", 1)
    assert not await found(it, "set the database back, under a running keeper", 1)
