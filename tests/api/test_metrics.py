"""What does a monitoring system read, and what can it never learn? (api/metrics.py, telemetry.py)"""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from tests.api.calling import MARKER, Api, running, tip
from tests.support.fictional import agency
from tests.support.service import open_service
from tiprouter import telemetry
from tiprouter.api import access, headers, metrics
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.breaker import BreakerState
from tiprouter.domain.lanes import Lane
from tiprouter.domain.notice import Severity
from tiprouter.domain.states import DeliveryState, DutyPhase
from tiprouter.domain.vocabulary import AttemptKind, RecipientKind, Urgency
from tiprouter.errors import ConfigurationError

CLOSED: dict[str, set[str]] = {
    "method": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "other"},
    "route": {template for _, template in access.TABLE} | {"none"},
    "status": {"none", "1xx", "2xx", "3xx", "4xx", "5xx"},
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


@pytest.fixture(scope="module")
def traced() -> Iterator[InMemorySpanExporter]:
    """Every span of this process; OpenTelemetry takes one provider a process and keeps it."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    provider.shutdown()


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


async def test_a_span_says_what_was_done_and_never_about_whom(api: Api, traced: InMemorySpanExporter) -> None:
    """One a request with its method; an error leaves its class, and nothing of its text."""
    await api.send("intake", "GET", f"/v1/tips/{MARKER}?{MARKER}=1", headers={"User-Agent": MARKER})
    with pytest.raises(RuntimeError), telemetry.span("attempt", lane="standard"):
        raise RuntimeError(MARKER)
    await asyncio.sleep(0)
    spans = traced.get_finished_spans()
    assert {(one.name, *(one.attributes or {}).items()) for one in spans} >= {
        ("request", ("method", "GET")),
        ("attempt", ("lane", "standard")),
    }
    assert [one.status.description for one in spans if one.name == "attempt"] == ["RuntimeError"]
    assert not re.search(MARKER, "".join(one.to_json() for one in spans))
