"""Somebody reaches what they have no right to: each way in is opened on purpose, and the tests that watch notice."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from starlette.requests import Request

from tests.api.calling import Api, running
from tests.security.authorisation import TABLE
from tests.security.driving import Driver
from tests.security.furnished import UNLIMITED, Things, furnished
from tests.security.separated import ROLE_OF, STORIES, Two
from tests.support.service import OPERATOR, Service
from tests.support.staff import invite
from tiprouter.api import access, problems
from tiprouter.api.problems import Kind
from tiprouter.api.routes import disclosures as routes
from tiprouter.api.schemas.disclosures import whole_journey
from tiprouter.errors import NotFoundError, TiprouterError
from tiprouter.storage import delivery_queries
from tiprouter.workflow import acknowledging, credentials, granting, inquiry, separation
from tiprouter.workflow.credentials import CallerRole, Terms
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.separation import Act

House = tuple[Api, Things]
_admit, _page, _whole_journey = access.admit, delivery_queries.page, whole_journey


class _ForbiddenError(TiprouterError):
    """You may not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One service with two of everything, for every way in."""
    folder = tmp_path_factory.mktemp("house")
    async with furnished(f"sqlite:///{folder / 'tiprouter.db'}", folder) as found:
        yield found


async def wrong(house: House, *routes_: tuple[str, str]) -> list[str]:
    """What the authorisation table says of these routes, as the service answers now."""
    return (await (await Driver.of(*house)).drive({one: TABLE[one] for one in routes_})).wrong


def _anybodys(found: Any, *_: Any) -> Any:  # noqa: ANN401 - whatever it is
    if found is None:
        raise NotFoundError
    return found


async def _all_scopes(request: Request, roles: frozenset[CallerRole]) -> None:
    try:
        await _admit(request, roles)
    except NotFoundError:
        if access.caller(request).role not in roles:
            raise


async def _forbidden(request: Request, roles: frozenset[CallerRole]) -> None:
    try:
        await _admit(request, roles)
    except NotFoundError:
        raise _ForbiddenError from None


def _every_agencys(tx: Any, wanted: Any, *more: Any) -> Any:  # noqa: ANN401 - a filter and a place
    return _page(tx, replace(wanted, recipient_id=None), *more)


OPENED: list[tuple[Any, str, Callable[..., Any], tuple[str, str], str]] = [
    (acknowledging, "visible", _anybodys, ("POST", "/v1/disclosures/{disclosure_id}/acknowledgements"), "another's"),
    (inquiry, "visible", _anybodys, ("GET", "/v1/disclosures/{disclosure_id}"), "another's"),
    (granting, "visible", _anybodys, ("GET", "/v1/grants/{grant_id}"), "another's"),
    (access, "admit", _all_scopes, ("GET", "/v1/tips"), "narrowed"),
    (access, "admit", _forbidden, ("GET", "/v1/tips/{tip_id}"), "403"),
    (delivery_queries, "page", _every_agencys, ("GET", "/v1/deliveries"), "tells of another's"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("way", OPENED, ids=lambda way: way[4])
async def test_a_way_in_is_noticed(
    house: House, monkeypatch: pytest.MonkeyPatch, way: tuple[Any, str, Callable[..., Any], tuple[str, str], str]
) -> None:
    """An owner check removed, a scope ignored, a 403 that says that something is there, a list of everybody's."""
    where, name, fault, route, words = way
    assert await wrong(house, route) == []
    monkeypatch.setitem(problems.TABLE, _ForbiddenError, Kind(403, "forbidden", "Forbidden"))
    monkeypatch.setattr(where, name, fault)
    found = await wrong(house, route)
    assert any(words in one for one in found), found


@pytest.mark.asyncio(loop_scope="module")
async def test_a_role_more_in_a_row_is_noticed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator in the row of records, a role that should be there left out, a route for everybody who may call.

    Nobody at all is not let in by a row: each route asks who calls, because it has to say so in the log.
    """
    api, things = house
    faults = {
        ("GET", "/v1/cases"): frozenset({CallerRole.INTAKE, CallerRole.REVIEWER, CallerRole.OPERATOR}),
        ("GET", "/v1/consents"): frozenset({CallerRole.INTAKE}),
        ("GET", "/v1/notices"): access.PUBLIC,
    }
    monkeypatch.setattr(access, "TABLE", dict(access.TABLE) | faults)
    async with running(api.service) as opened:
        opened.tokens |= api.tokens
        opened.office.limiter.bounds = UNLIMITED
        for route, who in zip(faults, ("operator", "reviewer", "agency"), strict=True):
            assert any(f" {who}, own" in one for one in await wrong((opened, things), route)), route


@pytest.mark.asyncio(loop_scope="module")
async def test_a_field_too_many_is_noticed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor who is told what an agency wrote."""
    driver = await Driver.of(*house)
    assert await driver.fields() == []
    monkeypatch.setattr(routes, "whole_journey", lambda found, **_: _whole_journey(found, with_words=True))
    assert any("case_number auditor: told" in one for one in await driver.fields())


async def pair(service: Service, act: Act) -> Two:
    """A signed-in person, and a credential that is in the same hands."""
    account, _ = await invite(service, "one@hotline.example", ROLE_OF[act])
    terms, role = Terms(holder_id=account.id), CallerRole(account.role)
    made, _ = await service.database.write(lambda tx: credentials.make(tx, service.desk, OPERATOR, role, None, terms))
    session = Actor(account.id, made.role, None, "ses_1", service.clock())
    return Two(session, Actor(made.id, made.role), account.id, 1)


@pytest.mark.parametrize("act", Act)
async def test_one_pair_of_hands_is_noticed(service: Service, monkeypatch: pytest.MonkeyPatch, act: Act) -> None:
    """Where credentials are compared, and not persons, one person does alone what takes two."""
    two = await pair(service, act)
    monkeypatch.setattr(separation, "person", lambda _, actor_id: actor_id)
    assert await STORIES[act](service, two)


@pytest.mark.parametrize("act", sorted(set(Act) - {Act.BUNDLE, Act.GRANT, Act.KEY, Act.EXPORT, Act.ROLL_BACK}))
async def test_who_approves_what_they_proposed_is_noticed(
    service: Service, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    """Where nobody is compared, one credential alone. What the database itself refuses one credential is not here."""
    two = await pair(service, act)
    monkeypatch.setattr(separation, "persons", lambda *_: frozenset())
    assert await STORIES[act](service, replace(two, second=two.first))
