"""Every cell of the authorisation table, asked over HTTP of a service that holds real rows."""

import pytest
from fastapi.routing import iter_route_contexts

from tests.security.authorisation import FIELDS, READS_PEOPLE, ROLES, TABLE, sayings
from tests.security.conftest import House
from tests.security.driving import Driver
from tiprouter.api.app import assemble
from tiprouter.workflow.credentials import CallerRole


def test_the_table_has_every_route_and_every_role_and_no_other() -> None:
    """Who adds a route adds a row, who adds a role a column; cells have one letter, or three where a thing is named."""
    built = {
        (method, route.path_format)
        for route in iter_route_contexts(assemble().routes)
        for method in route.methods or ()
    }
    assert set(TABLE) == built
    assert set(ROLES) == {role.value for role in CallerRole} | {"nobody"}
    for (_, route), cells in TABLE.items():
        assert all(set(letters) <= set("+-u") for letters in cells.values()), route
        assert {len(letters) for letters in cells.values()} == {3 if "{" in route else 1}, route
    for method, route, *_ in sayings(FIELDS) + sayings(READS_PEOPLE):
        assert (method, route) in TABLE


@pytest.mark.asyncio(loop_scope="module")
async def test_a_field_is_told_to_those_roles_and_to_no_other(house: House) -> None:
    """The same thing, asked by each role that may: what one is told another finds null."""
    wrong = await (await Driver.of(*house)).fields()
    assert not wrong, "\n".join(wrong)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_cell_is_answered_as_the_table_says(house: House) -> None:
    """Let in, absent byte for byte, or unknown: zero mismatches, and how many cells there were is printed."""
    driven = await (await Driver.of(*house)).drive()
    print(f"{driven.cells} cells, {len(driven.wrong)} mismatches")  # noqa: T201 - the figure is what is asked for
    assert not driven.wrong, "\n".join(driven.wrong)
    assert driven.cells > 1_500


@pytest.mark.asyncio(loop_scope="module")
async def test_whose_a_thing_is_counts_on_postgresql_too(postgres_house: House) -> None:
    """Every row in which it matters whose a thing is, asked of the other database."""
    rows = {route: cells for route, cells in TABLE.items() if "+--" in cells.values()}
    driven = await (await Driver.of(*postgres_house)).drive(rows)
    assert not driven.wrong, "\n".join(driven.wrong)
    assert driven.cells > 150
