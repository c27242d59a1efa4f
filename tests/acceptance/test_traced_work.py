"""A worker at work, as whoever watches sees it: what it counts, and the spans of what it does. (telemetry.py)"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from tests.support.fictional import agency, person, tip
from tests.support.service import Service
from tests.support.tracing import traced
from tiprouter import telemetry
from tiprouter.delivery.sender import Sender
from tiprouter.receiver.misbehaving import opened
from tiprouter.workflow.chores import CHORES
from tiprouter.workflow.worker import Worker

PATIENCE = 60.0
FIRST = {"lane": "first", "kind": "push"}


@asynccontextmanager
async def working(service: Service) -> AsyncIterator[None]:
    """A worker that runs."""
    async with Sender(sandbox=True) as sender:
        worker = Worker(service.database, service.desk, sender)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            async with asyncio.timeout(PATIENCE):
                await running


async def until(so: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not so():  # noqa: ASYNC110 - what it waits for rings no bell
            await asyncio.sleep(0.02)


async def a_child(service: Service, url: str) -> None:
    """A report that is owed to the police, whose endpoint this is, in the sandbox and by the wall's clock."""
    service.desk = replace(service.desk, sandbox=True, now=lambda: datetime.now(UTC), entropy=os.urandom)
    await service.enrol(agency(url=url))
    now = datetime.now(UTC)
    await service.accept(tip(person(years=12), received_at=now, signaled_at=now))


def counted(name: str, **labels: str) -> float:
    """One number of this process."""
    return telemetry.REGISTRY.get_sample_value(f"tiprouter_{name}", labels) or 0.0


def named(spans: Iterable[ReadableSpan], name: str) -> list[ReadableSpan]:
    """The spans of a name."""
    return [one for one in spans if one.name == name]


def said(span: ReadableSpan) -> dict[str, object]:
    """What a span says."""
    return dict(span.attributes or {})


def id_of(span: ReadableSpan) -> int:
    """What other spans know a span by."""
    known = span.get_span_context()
    assert known is not None
    return known.span_id


def child_of(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether one span is directly part of another."""
    return span.parent is not None and span.parent.span_id == id_of(parent)


async def test_a_worker_counts_what_it_delivers(service: Service) -> None:
    """One attempt with its class and code, how long it took, how long the delivery was under way, and what was left."""
    ends = FIRST | {"result": "success", "status": "2xx", "code": "200"}
    names = ("attempt_seconds_count", "delivered_seconds_count", "delivered_margin_seconds_count")
    before = [counted("attempts_total", **ends), *(counted(name, lane="first") for name in names)]
    margin = counted("delivered_margin_seconds_sum", lane="first")
    async with opened("ok") as there:
        await a_child(service, there.url)
        async with working(service):
            await until(lambda: counted("delivered_margin_seconds_count", lane="first") > before[-1])
    after = [counted("attempts_total", **ends), *(counted(name, lane="first") for name in names)]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1, 1]
    assert counted("delivered_margin_seconds_sum", lane="first") > margin


@pytest.mark.parametrize(
    ("behaviour", "result", "status", "code"),
    [
        ("server-error", "http_error", "5xx", "500"),
        ("status-999", "http_error", "other", "other"),
        ("gone", "gone", "4xx", "410"),
    ],
)
async def test_a_worker_counts_what_fails(
    service: Service, behaviour: str, result: str, status: str, code: str
) -> None:
    """By result, class and code; nothing is counted as delivered."""
    ends = FIRST | {"result": result, "status": status, "code": code}
    before, arrived = counted("attempts_total", **ends), counted("delivered_seconds_count", lane="first")
    async with opened(behaviour) as there:
        await a_child(service, there.url)
        async with working(service):
            await until(lambda: counted("attempts_total", **ends) > before)
    assert counted("attempts_total", **ends) == before + 1
    assert counted("delivered_seconds_count", lane="first") == arrived


async def test_a_delivery_is_one_trace_from_its_claim_to_its_answer(service: Service) -> None:
    """Claim, preparing, sending and finishing hang together; what is written of several at once is linked to each."""
    async with opened("ok") as there:
        await a_child(service, there.url)
        with traced() as exporter:
            async with working(service):
                await until(lambda: named(exporter.get_finished_spans(), "write"))
            spans = exporter.get_finished_spans()
    (deliver,), (attempt,), (finish,), (write,) = (
        named(spans, name) for name in ("deliver", "attempt", "finish", "write")
    )
    (claim,) = [one for one in named(spans, "claim") if said(one).get("count") == 1]
    (prepare,) = [one for one in named(spans, "prepare") if said(one) == {"count": 1}]
    assert said(deliver) == FIRST
    assert said(attempt) == {"lane": "first", "result": "success", "code": "200"}
    assert said(finish) == {"lane": "first", "state": "delivered"}
    assert said(write) == {"count": 1}
    assert child_of(prepare, claim)
    assert child_of(deliver, claim)
    assert child_of(attempt, deliver)
    assert child_of(finish, deliver)
    assert write.parent is None
    assert [link.context.span_id for link in write.links] == [id_of(finish)]


async def test_chores_and_the_log_are_traced(service: Service) -> None:
    """Each chore by its name, in one trace a round; a batch of the log with the writing of its files."""
    with traced() as exporter:
        async with working(service):
            await until(lambda: named(exporter.get_finished_spans(), "tend"))
        await a_child(service, "http://127.0.0.1:9/hook")
        await service.sequencer.drain()
        spans = exporter.get_finished_spans()
    first = named(spans, "tend")[0]
    round_ = [one for one in named(spans, "chore") if child_of(one, first)]
    assert [said(one)["chore"] for one in round_] == [chore.__name__ for chore in CHORES]
    assert all("count" in said(one) for one in round_)
    (sequence,) = [one for one in named(spans, "sequence") if said(one).get("count")]
    (publish,) = named(spans, "publish")
    assert child_of(publish, sequence)
    assert publish.attributes is not None
    assert publish.attributes["count"] >= 1  # type: ignore[operator]  # a number, as the line above says


async def test_no_span_says_anything_but_closed_words_and_numbers(service: Service) -> None:
    """Not of whom, not to whom, not where: no id, no URL, no text of the tip."""
    async with opened("server-error") as there:
        await a_child(service, there.url)
        with traced() as exporter:
            async with working(service):
                await until(lambda: named(exporter.get_finished_spans(), "write"))
            spans = exporter.get_finished_spans()
    assert {name for one in spans for name in said(one)} <= telemetry.SAID
    ids = await service.rows("select id from deliveries union select id from recipients union select id from records")
    text = "".join(one.to_json() for one in spans)
    assert [one for one in (there.url, "T-1", "555-01", *(row.id for row in ids)) if one in text] == []
