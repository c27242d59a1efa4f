"""What does a monitoring system read?

1. Prometheus' text format, on an address and a port of its own: never on the edge that outsiders reach, and off unless
   a port is set. Whoever reaches that port may read it; keep it to the machine or the monitoring network.
2. What this process counted (`telemetry`), and what the database says of the whole service (`workflow/vitals.py`), read
   when asked. A database that does not answer in five seconds leaves its part out and says so (`tiprouter_up 0`).
3. Its answers carry the headers that protect a browser's reader, as the edge's do (`api/headers.py`).
4. Every number is there from the start, with each of its labels, so that an alarm on it can be written and tried, and
   a counter's first event is seen as one. But for the times of one route's answers: those are there once it answered,
   since a dozen numbers for every route would be most of a scrape.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tiprouter import telemetry
from tiprouter.api import access, headers
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.breaker import BreakerState
from tiprouter.domain.lanes import Lane
from tiprouter.domain.notice import Severity
from tiprouter.domain.states import OWING, TERMINAL, DeliveryState
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.errors import ConfigurationError, TiprouterError
from tiprouter.storage.database import Database
from tiprouter.telemetry import CODES, NAMESPACE, REGISTRY
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.vitals import Vitals, measure

log = structlog.get_logger()

PATIENCE_SECONDS: Final = 5.0


@contextmanager
def exposed(database: Database, desk: Desk, host: str, port: int) -> Iterator[int]:
    """Answer on this port until the end; 0 answers nowhere. Yields the port. Raises `ConfigurationError`."""
    if port == 0:
        yield 0
        return
    telemetry.expect_answers(access.TABLE)
    telemetry.expect_attempts(Lane, (AttemptKind.PUSH, AttemptKind.ANNOUNCE), tuple(_ends()))
    registry = CollectorRegistry()
    registry.register(REGISTRY)
    registry.register(Whole(database, desk, asyncio.get_running_loop()))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError:
        raise ConfigurationError("The metrics' address cannot be listened on.") from None
    server.set_app(guarded(make_wsgi_app(registry)))
    log.info("metrics.on", host=host, port=server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def guarded(app: WSGIApplication) -> WSGIApplication:
    """The same answers, with the headers that protect their reader, and without the names of programs (rule 3)."""
    ours = [*headers.SAID.items(), *headers.DEFAULTS.items(), ("Server", NAMESPACE)]

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        def started(status: str, said: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - as WSGI has it
            return start(status, [*said, *ours], *error)

        return app(environ, started)

    return answer


class Whole(Collector):
    """The whole service's numbers, read from its database."""

    def __init__(self, database: Database, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self._database, self._desk, self._loop = database, desk, loop

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not ask the database."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Called in the listener's own thread (rule 2)."""
        asking = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
        try:
            vitals = asking.result(PATIENCE_SECONDS)
        except (TiprouterError, TimeoutError):
            asking.cancel()
            yield _gauge("up", "Whether the database answered.", 0)
            return
        yield _gauge("up", "Whether the database answered.", 1)
        yield from _families(vitals)

    async def _ask(self) -> Vitals:
        return await self._database.read(lambda tx: measure(tx, self._desk.now()))


def _ends() -> Iterator[tuple[AttemptResult, int | None]]:
    """How an attempt may end: each result with each status that it may have (rule 4)."""
    told = {AttemptResult.GONE: {410}, AttemptResult.THROTTLED: {429, 503}}
    told[AttemptResult.SUCCESS] = {*(code for code in CODES if code // 100 == 2), 299}  # noqa: PLR2004 - 2xx
    known = frozenset[int]().union(*told.values())
    # Of each class one that is not told apart.
    told[AttemptResult.HTTP_ERROR] = {*(CODES - known), 199, 399, 499, 599, 999}
    for result in AttemptResult:
        yield from ((result, status) for status in sorted(told.get(result, ())) or (None,))


def _families(vitals: Vitals) -> Iterator[Metric]:
    counted = {(one.lane, one.state): one.count for one in vitals.waiting}
    waiting = _family("deliveries", "Deliveries that have not ended.", "lane", "state")
    for lane in Lane:
        for state in DeliveryState:
            if state not in TERMINAL:
                waiting.add_metric([lane.value, state.value], counted.get((lane.value, state.value), 0))
    yield waiting
    parked = {lane.value: sum(one.parked for one in vitals.waiting if one.lane == lane) for lane in Lane}
    yield _by("parked", "Deliveries that wait for their agency or its endpoint, not for a worker.", "lane", parked)
    lag = _family("lag_seconds", "How long what a worker could take has waited; nought when there is nothing.", "lane")
    margin = _family("margin_seconds", "Time to the nearest deadline of what waits; absent when nothing does.", "lane")
    for lane in Lane:
        lag.add_metric([lane.value], vitals.lag_seconds.get(lane.value, 0.0))
        if lane.value in vitals.margin_seconds:
            margin.add_metric([lane.value], vitals.margin_seconds[lane.value])
    yield lag
    yield margin
    breakers = {one.value: vitals.breakers.get(one, 0) for one in BreakerState}
    yield _by("breakers", "Endpoints by where their breaker is.", "state", breakers)
    yield _gauge("unlogged_entries", "Committed audit entries that no checkpoint covers yet.", vitals.unlogged)
    yield _by("duties", "Duties that are owed.", "phase", {one.value: vitals.duties.get(one, 0) for one in OWING})
    yield _by(
        "reviews", "Reviews to be answered.", "urgency", {one.value: vitals.reviews.get(one, 0) for one in Urgency}
    )
    pages = {one.value: vitals.pages.get(one, 0) for one in Severity}
    yield _by("unsent_pages", "Pages that nobody has got yet.", "severity", pages)


def _family(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", words, labels=labels)


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", words, value=value)


def _by(name: str, words: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = _family(name, words, label)
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
