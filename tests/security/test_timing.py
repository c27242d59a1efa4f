"""Somebody else's thing takes as long to be refused as one that does not exist takes to be missed."""

import random
import time
from typing import Any

import pytest

from tests.security.conftest import House
from tests.security.driving import NOBODYS, SECOND, Driver
from tests.security.timing import Asking, compare
from tiprouter.errors import NotFoundError
from tiprouter.workflow import acknowledging, inquiry

OWNED = (
    ("agency", ("GET", "/v1/disclosures/{disclosure_id}")),
    ("agency", ("GET", "/v1/deliveries/{delivery_id}")),
    ("agency", ("GET", "/v1/inbox/{delivery_id}")),
    ("agency", ("POST", "/v1/disclosures/{disclosure_id}/acknowledgements")),
    ("auditor", ("GET", "/v1/grants/{grant_id}")),
    ("auditor", ("GET", "/v1/grants/{grant_id}/matter")),
)
"""Where the story looks whose it is. Another role is turned away before anything is looked up."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


def asking(driver: Driver, role: str, route: tuple[str, str], owner: int) -> Asking:
    """A request that must be told that nothing is there."""

    async def ask() -> None:
        assert (await driver.ask(route, role, owner)).status_code == 404

    return ask


async def test_anothers_is_missed_in_the_time_of_nobodys(house: House) -> None:
    """Six routes, a hundred threes each."""
    driver, chance = await Driver.of(*house), random.Random(20260302)  # noqa: S311 - a test's order, no secret
    for role, route in OWNED:
        absent, denied = (asking(driver, role, route, owner) for owner in (NOBODYS, SECOND))
        found = await compare(absent, denied, 100, chance)
        figures = f"{found.low * 1e3:+.2f} to {found.high * 1e3:+.2f} ms, control {found.control * 1e3:.2f} ms"
        print(f"{route[1]}: {figures}")  # noqa: T201 - the figures are what is asked for
        assert not found.differ, (route, found)


async def test_three_milliseconds_would_be_noticed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner check that takes its time over what is somebody else's is found."""
    driver, chance = await Driver.of(*house), random.Random(20260302)  # noqa: S311 - a test's order, no secret
    visible = acknowledging.visible

    def slowly(*asked: Any) -> Any:  # noqa: ANN401 - whatever it is asked
        try:
            return visible(*asked)
        except NotFoundError:
            if asked[0] is not None:
                time.sleep(0.003)
            raise

    monkeypatch.setattr(inquiry, "visible", slowly)
    role, route = OWNED[0]
    absent, denied = (asking(driver, role, route, owner) for owner in (NOBODYS, SECOND))
    for _ in range(3):  # a busy machine widens the interval, and is asked again
        found = await compare(absent, denied, 150, chance)
        if found.differ:
            break
    assert found.differ, found
    assert found.low > 0
