"""One tip, sent at the same moment under different keys: one is accepted, the others are told to ask again or not."""

import asyncio

import pytest

from tests.support.fictional import agency, person, tip
from tests.support.service import Service
from tiprouter.errors import UnavailableError
from tiprouter.workflow.intake import Accepted, DuplicateError


async def test_of_equal_tips_at_once_one_is_accepted_and_the_others_refused(service: Service) -> None:
    """No second record, one disclosure; who was told to ask again is then told that it is there already."""
    await service.enrol(agency())
    same = [service.accept(tip(person(years=12))) for _ in range(6)]
    ends = await asyncio.gather(*same, return_exceptions=True)
    assert sum(isinstance(end, Accepted) for end in ends) == 1
    assert sum(isinstance(end, DuplicateError | UnavailableError) for end in ends) == len(ends) - 1
    with pytest.raises(DuplicateError):
        await service.accept(tip(person(years=12)))
    assert await service.rows("select count(*) from records") == [(1,)]
    assert len(await service.deliver()) == 1
    await service.check_house()
