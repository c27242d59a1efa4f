"""Attack: one caller, or many, ask for more than there is, so that who is in danger is not heard."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from tests.api.calling import MARKER, Api, running, tip
from tests.attacks import floods
from tests.attacks.floods import TIGHT, URGENT, bounded, granted, overloaded, refused, spend_writes
from tests.support.service import Service, open_service
from tiprouter.api import limiter, limits
from tiprouter.api.limiter import REMEMBERED_MAX, Bounds, Limiter
from tiprouter.domain import limits as rules
from tiprouter.domain.limits import Budget, Passage
from tiprouter.workflow.credentials import CallerRole


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on the embedded database: what is counted here never reaches one."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as opened:
        yield opened


@pytest.fixture
async def api(service: Service) -> AsyncIterator[Api]:
    """Its edge."""
    async with running(service) as found:
        yield found


async def test_a_withdrawal_is_taken_whatever_else_is_not(api: Api) -> None:
    """Neither a budget nor load refuses it."""
    await floods.a_withdrawal_is_taken_whatever_else_is_not(api)


async def test_danger_is_taken_whatever_else_is_not(api: Api) -> None:
    """Neither a budget nor load refuses it."""
    await floods.danger_is_taken_whatever_else_is_not(api)


async def test_danger_needs_no_header_to_be_taken_under_load(api: Api) -> None:
    """The body is what counts."""
    await floods.danger_needs_no_header_to_be_taken_under_load(api)


async def test_a_false_claim_costs_double(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    """And is logged with the caller who made it."""
    await floods.a_false_claim_costs_double(api)
    assert "limit.claim-untrue" in capfd.readouterr().out


async def test_only_the_intake_is_believed(api: Api) -> None:
    """Nobody else has danger to tell of."""
    await floods.only_the_intake_is_believed(api)


async def test_nothing_is_said_back(api: Api) -> None:
    """A refusal is made of our words alone."""
    await floods.nothing_is_said_back(api, MARKER)


async def test_a_slow_body_holds_no_place(api: Api) -> None:
    """Whoever drips keeps a connection, and nothing that others need."""
    await floods.a_slow_body_holds_no_place(api)


async def test_one_callers_flood_is_nobody_elses(api: Api) -> None:
    """Each credential has its own budget, reads apart from writes, and the answer says what is left of it."""
    with bounded(api, TIGHT):
        await spend_writes(api)
        read = await api.send("intake", "GET", "/v1/tips")
        assert (read.status_code, read.headers["ratelimit-policy"]) == (200, '"read";q=3;w=60')
        assert read.headers["ratelimit"] == '"read";r=2;t=20'
        other = await api.send("reviewer", "GET", "/v1/tips")
        assert other.headers["ratelimit"] == '"read";r=2;t=20'


async def test_a_refused_request_is_the_same_request_later(service: Service, api: Api) -> None:
    """Nothing was stored under its key: once there is budget again it makes its tip, and an earned 201 is repeated."""
    key = {"Idempotency-Key": "same"}
    with bounded(api, TIGHT):
        await spend_writes(api)
        refused(await api.send("intake", "POST", "/v1/tips", tip(), key), 429, "too-many-requests")
        service.clock.forward(seconds=60)
        made = await api.send("intake", "POST", "/v1/tips", tip(), key)
        again = await api.send("intake", "POST", "/v1/tips", tip(), key)
    assert (made.status_code, again.status_code, again.text) == (201, 201, made.text)


async def test_a_source_that_guesses_waits_and_who_is_known_there_does_not(service: Service, api: Api) -> None:
    """Wrong tokens are counted by address; a caller behind the same one who was let in lately goes on."""
    with bounded(api, TIGHT):
        assert (await api.send("intake", "GET", "/v1/tips")).status_code == 200
        wrong = {"Authorization": "Bearer tr_wrong"}
        for _ in range(3):
            assert (await api.send(None, "GET", "/v1/tips", headers=wrong)).status_code == 401
        refused(await api.send(None, "GET", "/v1/tips", headers=wrong), 429, "too-many-requests")
        refused(await api.send("auditor", "GET", "/v1/decisions"), 429, "too-many-requests")
        assert (await api.send("intake", "GET", "/v1/tips")).status_code == 200
        assert (await api.send("intake", "POST", "/v1/tips", floods.danger(), URGENT)).status_code == 201
        service.clock.forward(seconds=20)
        assert (await api.send("auditor", "GET", "/v1/decisions")).status_code == 200


async def test_strangers_are_counted_by_address_and_health_is_not(api: Api) -> None:
    """Paths that are nowhere count too; whoever watches the service may ask as often as it likes."""
    with bounded(api, TIGHT):
        for path in ("/docs", "/nothing", "/v1/nothing"):
            assert (await api.send(None, "GET", path)).status_code in {200, 404}
        for path in ("/docs", "/nothing", "/openapi.json"):
            refused(await api.send(None, "GET", path), 429, "too-many-requests")
        with overloaded(api):
            assert [(await api.send(None, "GET", "/healthz")).status_code for _ in range(9)] == [200] * 9


async def test_load_is_shed_before_anything_happened_and_ends(api: Api) -> None:
    """The last places are the intake's; a refusal leaves no trace, and a place is free once its request is answered."""
    with bounded(api, Bounds(in_flight=4, intake_percent=50)):
        before = await api.counts()
        with api.office.limiter.working(Passage.INTAKE), api.office.limiter.working(Passage.INTAKE):
            refused(await api.send("reviewer", "GET", "/v1/tips"), 503, "overloaded")
            assert await api.counts() == before
            assert (await api.send("intake", "POST", "/v1/tips", tip())).status_code == 201
        assert api.office.limiter.busy == 0
        answers = await asyncio.gather(*(api.send("reviewer", "GET", "/v1/tips") for _ in range(12)))
        assert {one.status_code for one in answers} <= {200, 503}
        assert api.office.limiter.busy == 0


def test_the_table_of_buckets_is_bounded(service: Service) -> None:
    """A caller from a million addresses costs the memory of some thousands."""
    counted = Limiter(Bounds())
    for number in range(REMEMBERED_MAX + 100):
        counted.spend(Budget.ATTEMPT, str(number), service.clock.at)
        counted.remember(f"token {number}")
    assert len(counted._buckets) == len(counted._known) == REMEMBERED_MAX  # noqa: SLF001 - what is measured
    assert not counted.remembers("token 0")


async def test_a_limiter_that_sheds_a_withdrawal_is_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with withdrawals like any other write, the first story fails."""
    monkeypatch.setattr(limits, "WITHDRAWALS", frozenset())
    with pytest.raises(AssertionError):
        await floods.a_withdrawal_is_taken_whatever_else_is_not(api)


async def test_a_withdrawal_without_a_place_is_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with nobody let in always, load sheds it and the story fails."""
    lets_in = rules.lets_in
    monkeypatch.setattr(limiter, "lets_in", lambda _, *rest: lets_in(Passage.INTAKE, *rest))
    with pytest.raises(AssertionError):
        await floods.a_withdrawal_is_taken_whatever_else_is_not(api)
    with pytest.raises(AssertionError):
        await floods.danger_needs_no_header_to_be_taken_under_load(api)


async def test_danger_that_is_shed_is_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with the body's word unheard, both stories about danger fail."""
    monkeypatch.setattr(limits, "_tells_of_danger", lambda _: False)
    with pytest.raises(AssertionError):
        await floods.danger_is_taken_whatever_else_is_not(api)
    with pytest.raises(AssertionError):
        await floods.danger_needs_no_header_to_be_taken_under_load(api)


async def test_a_claim_that_is_believed_is_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with the header's word enough, or anybody's, the stories about claims fail."""
    monkeypatch.setattr(limits, "_tells_of_danger", lambda _: True)
    with pytest.raises(AssertionError):
        await floods.a_false_claim_costs_double(api)


async def test_a_limiter_that_echoes_is_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: a refusal that quotes what was sent fails its story."""
    show = limits.show

    def quoting(headers: MutableHeaders, scope: Scope, *rest: object) -> None:
        show(headers, scope, *rest)  # type: ignore[arg-type]  # passed on as it came
        headers["X-Seen"] = scope["query_string"].decode()

    monkeypatch.setattr(limits, "show", quoting)
    with pytest.raises(AssertionError):
        await floods.nothing_is_said_back(api, MARKER)


async def test_a_place_held_by_a_slow_body_is_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with places taken before bodies are read, the story of slow bodies fails."""
    admit, held = limits.Turn.admit, list[object]()

    async def hoarding(turn: limits.Turn, roles: frozenset[CallerRole]) -> None:
        await admit(turn, roles)
        held.append(place := turn.working())
        place.__enter__()

    monkeypatch.setattr(limits.Turn, "admit", hoarding)
    with pytest.raises(AssertionError):
        await floods.a_slow_body_holds_no_place(api)


async def test_the_withdrawal_of_the_stories_is_a_real_one(api: Api) -> None:
    """Their control: without any flood the same withdrawal answers the same, and a second one is refused."""
    consent = await granted(api)
    assert (await api.send("intake", "POST", f"/v1/consents/{consent}/withdraw")).status_code == 200
    assert (await api.send("intake", "POST", f"/v1/consents/{consent}/withdraw")).status_code == 409
