"""What does a monitoring system read, and what can it never learn? (api/metrics.py, telemetry.py)"""

import asyncio
import re
import socket
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.calling import MARKER, Api, running, tip
from tests.support.fictional import agency
from tests.support.recovering import adult, police
from tests.support.service import open_service
from tests.support.tracing import traced
from tiprouter import telemetry
from tiprouter.api import access, headers, metrics
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.breaker import BreakerState
from tiprouter.domain.lanes import Lane
from tiprouter.domain.notice import Severity
from tiprouter.domain.recipient import DeliveryMode
from tiprouter.domain.states import DeliveryState, DutyPhase
from tiprouter.domain.vocabulary import AttemptKind, RecipientKind, Urgency
from tiprouter.errors import ConfigurationError

CLOSED: dict[str, set[str]] = {
    "method": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "other"},
    "route": {template for _, template in access.TABLE} | {"none"},
    "status": {"none", "1xx", "2xx", "3xx", "4xx", "5xx", "other"},
    "code": {"none", "other"} | {str(code) for code in telemetry.CODES},
    "lane": {one.value for one in Lane},
    "urgency": {one.value for one in Urgency},
    "kind": {one.value for one in AttemptKind},
    "result": {one.value for one in AttemptResult},
    "state": {one.value for one in DeliveryState} | {one.value for one in BreakerState},
    "phase": {one.value for one in DutyPhase},
    "severity": {one.value for one in Severity},
}
"""Every label there is, and all it may ever hold."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def scraped(port: int) -> str:
    """What a monitoring system reads there."""
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as client:
        return (await client.get(f"http://127.0.0.1:{port}/metrics")).text


def value(text: str, name: str, **labels: str) -> float:
    """One number of a scrape."""
    (found,) = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found


async def test_what_waits_and_what_was_answered_is_counted(api: Api) -> None:
    """A tip whose report waits: a queued delivery in its lane, a margin before its deadline, one answer more."""
    await api.service.enrol(agency(RecipientKind.CHILD_PROTECTION))
    child = tip()
    child["persons"][0]["age"] = {"years": 12}
    port, labels = free_port(), {"method": "POST", "route": "/v1/tips", "status": "2xx"}
    with metrics.exposed(api.service.database, api.service.desk, "127.0.0.1", port):
        assert value(await scraped(port), "tiprouter_deliveries", lane="first", state="queued") == 0
        await api.send("intake", "POST", "/v1/tips", child)
        first = await scraped(port)
        api.service.clock.forward(seconds=60)
        second = await scraped(port)
    queued = await api.service.rows("select lane, deadline from deliveries")
    assert queued, "nothing waits, so nothing would be shown"
    lane = queued[0][0]
    assert value(second, "tiprouter_deliveries", lane=lane, state="queued") == len(queued)
    assert value(second, "tiprouter_lag_seconds", lane=lane) == 60
    assert (
        value(first, "tiprouter_margin_seconds", lane=lane) - value(second, "tiprouter_margin_seconds", lane=lane) == 60
    )
    assert value(second, "tiprouter_unlogged_entries") > 0
    assert value(second, "tiprouter_answers_total", **labels) >= 1
    assert value(second, "tiprouter_up") == 1


async def test_no_label_holds_what_anybody_sent(api: Api) -> None:
    """Paths, methods, bodies and headers with a marker: it is nowhere, and every label is of its closed set."""
    for path in (f"/v1/tips/{MARKER}", f"/{MARKER}", f"/v1/tips?{MARKER}=1"):
        await api.send("intake", "GET", path, headers={"User-Agent": MARKER})
    await api.send("intake", "POST", "/v1/tips", tip(source=MARKER))
    await api.client.request("BREW", f"/v1/{MARKER}")
    port = free_port()
    with metrics.exposed(api.service.database, api.service.desk, "127.0.0.1", port):
        text = await scraped(port)
    assert MARKER not in text
    held = [
        (name, word)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for name, word in sample.labels.items()
        if name != "le"
    ]
    assert held
    assert [(name, word) for name, word in held if word not in CLOSED[name]] == []


async def test_a_database_that_is_gone_leaves_the_rest(tmp_path: Path) -> None:
    """What the process counted is still told, and that the database does not answer."""
    port = free_port()
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service, running(service) as api:
        await api.send(None, "GET", "/healthz")
        with metrics.exposed(service.database, service.desk, "127.0.0.1", port):
            await service.database.close()
            text = await scraped(port)
    assert value(text, "tiprouter_up") == 0
    assert "tiprouter_deliveries" not in text
    assert "tiprouter_answers_total" in text


async def test_a_scrape_is_answered_as_guardedly_as_the_edge_answers(api: Api) -> None:
    """The headers that protect a browser's reader, each once; no name of a program or its version; GET alone."""
    port = free_port()
    with metrics.exposed(api.service.database, api.service.desk, "127.0.0.1", port):
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            answers = [await client.request(one, f"http://127.0.0.1:{port}/metrics") for one in ("GET", "POST")]
    for answer in answers:
        for name, said in {**headers.SAID, **headers.DEFAULTS}.items():
            assert answer.headers.get_list(name) == [said], name
        assert answer.headers["server"] == "tiprouter"
    assert [one.status_code for one in answers] == [200, 405]


async def test_no_port_listens_nowhere_and_a_taken_one_is_refused(api: Api) -> None:
    """Off unless asked for; an address that cannot be had is said at the start."""
    with metrics.exposed(api.service.database, api.service.desk, "127.0.0.1", 0) as port:
        assert port == 0
    with (
        pytest.raises(ConfigurationError, match="cannot be listened on"),
        metrics.exposed(api.service.database, api.service.desk, "127.0.0.1", api.port),
    ):
        pass


async def test_what_waits_for_its_agency_is_no_lag(either: Api) -> None:
    """An agency that only pulls, and a dead endpoint's open breaker: parked for hours, and the alarm does not ring."""
    puller = agency(RecipientKind.CHILD_PROTECTION, delivery_mode=DeliveryMode.PULL, url=None)
    await either.service.enrol(puller)
    child = tip("T-9")
    child["persons"][0]["age"] = {"years": 12}
    assert (await either.send("intake", "POST", "/v1/tips", child)).status_code == 201
    dead = await police(either.service)
    for number in range(2):
        await adult(either.service, number)
    for _ in range(8):
        await either.service.deliver(AttemptResult.CONNECTION_ERROR)
        either.service.clock.forward(minutes=20)
    port = free_port()
    with metrics.exposed(either.service.database, either.service.desk, "127.0.0.1", port):
        await either.service.claim()  # a probe goes to the endpoint; the other waits for what comes of it
        text = await scraped(port)
        assert [value(text, "tiprouter_lag_seconds", lane=lane.value) for lane in Lane] == [0, 0, 0, 0]
        parked = await either.service.rows("select recipient_id from deliveries where parked")
        assert dead.id in {row.recipient_id for row in parked}
        assert sum(value(text, "tiprouter_parked", lane=lane.value) for lane in Lane) == len(parked) == 3
        await either.service.database.write(lambda tx: tx.exec_driver_sql("update deliveries set parked = false"))
        late = await scraped(port)
    assert max(value(late, "tiprouter_lag_seconds", lane=lane.value) for lane in Lane) > 0


async def test_every_count_is_there_before_the_first_event(api: Api) -> None:
    """So that its first event is an increase: of each lane, kind, result and code, and of each route."""
    port = free_port()
    with metrics.exposed(api.service.database, api.service.desk, "127.0.0.1", port):
        text = await scraped(port)
    for lane in Lane:
        assert value(text, "tiprouter_attempt_seconds_count", lane=lane.value) >= 0
        assert value(text, "tiprouter_delivered_seconds_count", lane=lane.value) >= 0
        assert value(text, "tiprouter_delivered_margin_seconds_count", lane=lane.value) >= 0
        for kind in ("push", "announce"):
            for result, status, code in (
                *(("success", "2xx", code) for code in ("200", "other")),
                *(("http_error", status, "other") for status in ("3xx", "4xx", "5xx", "other")),
                *(("http_error", "4xx", code) for code in ("400", "401", "403", "404")),
                ("gone", "4xx", "410"),
                ("throttled", "4xx", "429"),
                ("throttled", "5xx", "503"),
                *((one.value, "none", "none") for one in AttemptResult if one.value.endswith(("timeout", "_error"))),
            ):
                if (result, code) != ("http_error", "none"):
                    labels = {"lane": lane.value, "kind": kind, "result": result, "status": status, "code": code}
                    assert value(text, "tiprouter_attempts_total", **labels) >= 0
    for method, route in access.TABLE:
        assert value(text, "tiprouter_answers_total", method=method, route=route, status="5xx") >= 0


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        (None, ("none", "none")),
        (100, ("1xx", "other")),
        (200, ("2xx", "200")),
        (299, ("2xx", "other")),
        (302, ("3xx", "302")),
        (429, ("4xx", "429")),
        (418, ("4xx", "other")),
        (599, ("5xx", "other")),
        (600, ("other", "other")),
        (999, ("other", "other")),
        (7, ("other", "other")),
    ],
)
def test_a_status_that_nobody_expects_makes_no_label(status: int | None, counted: tuple[str, str]) -> None:
    """Whatever an agency answers: its class and its code are of closed sets."""
    assert (telemetry.class_of(status), telemetry.code_of(status)) == counted
    assert counted[0] in CLOSED["status"]
    assert counted[1] in CLOSED["code"]


def fail_within_a_span() -> None:
    """With names that no span may say, and a message that quotes."""
    with telemetry.span("attempt", lane="standard", path=MARKER) as step:
        step.says(result="success", name=MARKER)
        raise RuntimeError(MARKER)


async def test_a_span_says_what_was_done_and_never_about_whom(api: Api) -> None:
    """One a request with its method, route and class, refused ones too; an error leaves its class, not its text."""
    with traced() as exporter:
        await api.send("intake", "GET", f"/v1/tips/{MARKER}?{MARKER}=1", headers={"User-Agent": MARKER})
        await api.send("intake", "POST", "/v1/tips", tip(), headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        await api.send(None, "GET", f"/{MARKER}")
        await api.client.request("BREW", f"/v1/{MARKER}")
        with pytest.raises(RuntimeError):
            fail_within_a_span()
        await asyncio.sleep(0)
        spans = exporter.get_finished_spans()
    assert [dict(one.attributes or {}) for one in spans if one.name == "request"] == [
        {"method": "GET", "route": "/v1/tips/{tip_id}", "status": "4xx"},
        {"method": "POST", "route": "/v1/tips", "status": "2xx"},
        {"method": "GET", "route": "none", "status": "4xx"},
        {"method": "other", "route": "none", "status": "4xx"},
    ]
    (failed,) = [one for one in spans if one.name == "attempt"]
    assert (dict(failed.attributes or {}), failed.status.description) == (
        {"lane": "standard", "result": "success"},
        "RuntimeError",
    )
    assert [one.parent for one in spans if one.name == "request"] == [None] * 4, "a caller's trace is not ours"
    assert not re.search(MARKER, "".join(one.to_json() for one in spans))
