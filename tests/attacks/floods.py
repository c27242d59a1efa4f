"""What a caller who asks too much is owed, and what everybody else is, as stories that a planted fault must break."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any

import httpx2

from tests.api.calling import Api, grant, tip
from tiprouter.api.limiter import Bounds
from tiprouter.domain.limits import Passage

URGENT = {"Priority": "u=0"}
TIGHT = Bounds(reads=3, writes=3, strangers=3, attempts=3, in_flight=4, intake_percent=50)


def danger(external_id: str = "T-danger") -> dict[str, Any]:
    """A fictional tip that tells of immediate danger."""
    violence = {"immediate": "yes", "escalating": "unknown", "perceived": "unknown", "observed_at": None}
    return tip(external_id, violence=violence)


@contextmanager
def bounded(api: Api, bounds: Bounds) -> Iterator[None]:
    """Other bounds than the settings', and everybody's budget full."""
    limiter = api.office.limiter
    before, limiter.bounds = limiter.bounds, bounds
    limiter._buckets.clear()  # noqa: SLF001 - as a process that has just started
    try:
        yield
    finally:
        limiter.bounds = before


@contextmanager
def overloaded(api: Api) -> Iterator[None]:
    """Every place is taken, those kept for the intake too."""
    with ExitStack() as held:
        for _ in range(api.office.limiter.bounds.in_flight):
            held.enter_context(api.office.limiter.working(Passage.INTAKE))
        yield


def refused(answer: httpx2.Response, status: int, slug: str) -> None:
    """It is this refusal, and says when to come back."""
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:tiprouter:problem:{slug}")
    assert int(answer.headers["retry-after"]) >= 1


async def spend_writes(api: Api, role: str = "intake") -> None:
    """Use up a caller's writes, on bodies that make nothing."""
    for _ in range(api.office.limiter.bounds.writes):
        answer = await api.send(role, "POST", "/v1/tips", content=b"{}")
        assert answer.status_code in {404, 422}
    refused(await api.send(role, "POST", "/v1/tips", content=b"{}"), 429, "too-many-requests")


async def granted(api: Api) -> str:
    """A tip and a grant about its person; the grant's id."""
    assert (await api.send("intake", "POST", "/v1/tips", tip())).status_code == 201
    made = await api.send("intake", "POST", "/v1/consents", grant())
    assert made.status_code == 201
    return str(made.json()["id"])


async def a_withdrawal_is_taken_whatever_else_is_not(api: Api) -> None:
    """With the budget used up and every place taken: 200."""
    consent = await granted(api)
    with bounded(api, TIGHT):
        await spend_writes(api)
        with overloaded(api):
            answer = await api.send("intake", "POST", f"/v1/consents/{consent}/withdraw")
    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


async def danger_is_taken_whatever_else_is_not(api: Api) -> None:
    """With the budget used up and every place taken: 201, and the same body without the header's word is not read."""
    with bounded(api, TIGHT):
        await spend_writes(api)
        with overloaded(api):
            refused(await api.send("intake", "POST", "/v1/tips", danger()), 429, "too-many-requests")
            answer = await api.send("intake", "POST", "/v1/tips", danger(), URGENT)
    assert answer.status_code == 201


async def danger_needs_no_header_to_be_taken_under_load(api: Api) -> None:
    """Within its budget a caller who has never heard of Priority is heard all the same."""
    with bounded(api, TIGHT), overloaded(api):
        refused(await api.send("intake", "POST", "/v1/tips", tip()), 503, "overloaded")
        assert (await api.send("intake", "POST", "/v1/tips", danger())).status_code == 201


async def a_false_claim_costs_double(api: Api) -> None:
    """It is ordinary: taken while there is budget for it, refused beyond, and spent twice each time."""
    with bounded(api, Bounds(writes=4)):
        first = await api.send("intake", "POST", "/v1/tips", tip("T-1"), URGENT)
        assert (first.status_code, first.headers["ratelimit"].split(";")[1]) == (201, "r=2")
        await api.send("intake", "POST", "/v1/tips", tip("T-2"), URGENT)
        before = await api.counts()
        refused(await api.send("intake", "POST", "/v1/tips", tip("T-3"), URGENT), 429, "too-many-requests")
        assert await api.counts() == before


async def only_the_intake_is_believed(api: Api) -> None:
    """Others spend their writes like everybody, whatever their head says."""
    with bounded(api, TIGHT):
        for _ in range(3):
            await api.send("operator", "POST", "/v1/recipients", content=b"{}", headers=URGENT)
        answer = await api.send("operator", "POST", "/v1/recipients", content=b"{}", headers=URGENT)
    refused(answer, 429, "too-many-requests")


async def nothing_is_said_back(api: Api, marker: str) -> None:
    """A refusal by a limit quotes neither path nor header nor body."""
    with bounded(api, TIGHT):
        await spend_writes(api)
        headers = {"Priority": f"u=1, {marker}", "X-Request-Id": marker}
        answer = await api.send("intake", "POST", f"/v1/tips?{marker}=1", tip(source=marker), headers)
    refused(answer, 429, "too-many-requests")
    assert marker not in answer.text + str(answer.headers)


async def a_slow_body_holds_no_place(api: Api) -> None:
    """As many callers as there are places begin a body and do not end it: the next tip is taken."""
    with bounded(api, Bounds(in_flight=2, intake_percent=50)):
        head = (
            f"POST /v1/tips HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.tokens['intake']}\r\n"
            "Idempotency-Key: slow\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
            "Expect: 100-continue\r\n\r\n"
        )
        async with AsyncExitStack() as opened:
            for _ in range(4):
                reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
                opened.callback(writer.close)
                writer.write(head.encode())
                # The service says so when it begins to read a body.
                assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")
            assert (await api.send("intake", "POST", "/v1/tips", tip())).status_code == 201
