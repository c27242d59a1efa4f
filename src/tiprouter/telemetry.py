"""What does this process count and time, and under which labels?

1. Every label's values are a closed set: route templates, lanes, results, states, the codes of `CODES`. Never an id, a
   path, or anything that a caller sent or a record holds: `tests/api/test_metrics.py` reads what was counted and holds
   it to that, `tests/house/test_telemetry.py` what may be counted.
2. Counters begin at nought with the process, each label that is expected of them with it (`expect_answers`,
   `expect_attempts`). What is true of the whole service (what waits, how late) is read from the database when somebody
   asks (`workflow/vitals.py`).
3. A span is one step of work, through OpenTelemetry's API: nothing happens to it until whoever runs the service
   installs and configures an SDK (docs/operations.md). It may say what is in `SAID`, in words of closed sets and
   numbers, and nothing else: what is not on the list is dropped, as a log line's fields are.
4. A span begun inside another is its child. `carried` takes that into the thread in which SQLite's stories are told.
   What is written of several steps at once belongs to none of them: it begins a trace of its own, linked to each.
5. What a caller says of traces (`traceparent`) is not read, and no agency is told of ours.

Prometheus names its units in its metrics: seconds, totals.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, TypeAlias, TypeVar

from opentelemetry import context, trace
from opentelemetry.trace import Link, SpanContext
from prometheus_client import CollectorRegistry, Counter, Histogram

T = TypeVar("T")
Tx = TypeVar("Tx")

Mark: TypeAlias = SpanContext
"""What another span is linked to a span by (rule 4)."""

REGISTRY: Final = CollectorRegistry()
NAMESPACE: Final = "tiprouter"

CODES: Final = frozenset(
    {
        *(200, 201, 202, 204, 301, 302, 303, 307, 308),
        *(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429),
        *(500, 502, 503, 504),
    }
)
"""The statuses that are told apart; any other is `other`, and no answer at all is `none`."""

CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")

SAID: Final = frozenset(
    {"method", "route", "status", "code", "lane", "kind", "result", "state", "chore", "count", "probes"}
)
"""What a span may say (rule 3)."""

_FAST: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15)
_SLOW: Final = (0.1, 0.3, 1, 3, 10, 30, 60, 300, 1_800, 7_200, 43_200, 86_400)

_ANSWERS: Final = Counter(
    "answers",
    "Requests answered by this process.",
    ("method", "route", "status"),
    namespace=NAMESPACE,
    registry=REGISTRY,
)
_ANSWER_SECONDS: Final = Histogram(
    "answer_seconds",
    "Time from a request's head to the end of its answer.",
    ("route",),
    namespace=NAMESPACE,
    registry=REGISTRY,
    buckets=_FAST,
)
_ATTEMPTS: Final = Counter(
    "attempts",
    "Attempts that this process made, by lane, what was sent, what came of it, and the answer's status and its class.",
    ("lane", "kind", "result", "status", "code"),
    namespace=NAMESPACE,
    registry=REGISTRY,
)
_ATTEMPT_SECONDS: Final = Histogram(
    "attempt_seconds",
    "How long attempts took.",
    ("lane",),
    namespace=NAMESPACE,
    registry=REGISTRY,
    buckets=_FAST,
)
_DELIVERED_SECONDS: Final = Histogram(
    "delivered_seconds",
    "Time from the making of a delivery to the success of its last attempt.",
    ("lane",),
    namespace=NAMESPACE,
    registry=REGISTRY,
    buckets=_SLOW,
)
_MARGIN_SECONDS: Final = Histogram(
    "delivered_margin_seconds",
    "Time that was left to the deadline when a delivery succeeded; nought when none was.",
    ("lane",),
    namespace=NAMESPACE,
    registry=REGISTRY,
    buckets=_SLOW,
)
_tracer: Final = trace.get_tracer(NAMESPACE)


class Step:
    """A step of work that is under way, for whoever traces it."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def says(self, **said: str | int | None) -> None:
        """Say more of it (rule 3)."""
        if self._span.is_recording():
            self._span.set_attributes(_allowed(said))


def answered(method: str, route: str | None, status: int, seconds: float) -> None:
    """One request: its route's template, or none where nothing is."""
    _ANSWERS.labels(method, route or "none", class_of(status)).inc()
    _ANSWER_SECONDS.labels(route or "none").observe(seconds)


def attempted(lane: str, kind: str, result: str, status: int | None, seconds: float) -> None:
    """One attempt of a worker's."""
    _ATTEMPTS.labels(lane, kind, result, class_of(status), code_of(status)).inc()
    _ATTEMPT_SECONDS.labels(lane).observe(seconds)


def delivered(lane: str, seconds: float, margin_seconds: float) -> None:
    """One delivery that arrived: after so many seconds, with so many left."""
    _DELIVERED_SECONDS.labels(lane).observe(seconds)
    _MARGIN_SECONDS.labels(lane).observe(max(margin_seconds, 0.0))


def expect_answers(routes: Iterable[tuple[str, str]]) -> None:
    """Let the answers of these methods and routes be there from the start (rule 2)."""
    for method, route in routes:
        for status in ("2xx", "4xx", "5xx"):
            _ANSWERS.labels(method, route, status)


def expect_attempts(lanes: Iterable[str], kinds: Iterable[str], ends: Iterable[tuple[str, int | None]]) -> None:
    """Let attempts in these lanes, of these kinds, with these results and statuses be there from the start (rule 2)."""
    kinds, ends = tuple(kinds), tuple(ends)
    for lane in lanes:
        for one in (_ATTEMPT_SECONDS, _DELIVERED_SECONDS, _MARGIN_SECONDS):
            one.labels(lane)
        for kind in kinds:
            for result, status in ends:
                _ATTEMPTS.labels(lane, kind, result, class_of(status), code_of(status))


_UNTRACED: Final = nullcontext(Step(trace.INVALID_SPAN))


def span(name: str, *, of: Iterable[Mark] = (), **said: str | int) -> AbstractContextManager[Step]:
    """A step of work; an error leaves only its class: its text may quote a record.

    `of` are the steps it is done for, where those are several: it is no child of any then (rule 4).
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return _UNTRACED  # nobody installed an SDK (rule 3), and beginning nothing takes the API a while, too
    return _traced(name, tuple(Link(one) for one in of), said)


@contextmanager
def _traced(name: str, links: tuple[Link, ...], said: Mapping[str, str | int]) -> Iterator[Step]:
    with _tracer.start_as_current_span(
        name,
        context.Context() if links else None,
        attributes=_allowed(said),
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield Step(current)
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def here() -> Mark:
    """The step that is under way, for another to be linked to."""
    return trace.get_current_span().get_span_context()


def carried(story: Callable[[Tx], T]) -> Callable[[Tx], T]:
    """The same story, whose spans are children of the one that is under way now (rule 4)."""
    here = context.get_current()

    def told(tx: Tx) -> T:
        token = context.attach(here)
        try:
            return story(tx)
        finally:
            context.detach(token)

    return told


def class_of(status: int | None) -> str:
    """The class of a status: one of `CLASSES`, `none`, or `other` for what HTTP does not know."""
    if not status:
        return "none"
    return CLASSES[status // 100 - 1] if 100 <= status <= 599 else "other"  # noqa: PLR2004 - RFC 9110 section 15


def code_of(status: int | None) -> str:
    """A status that is told apart, `other`, or `none`."""
    if not status:
        return "none"
    return str(status) if status in CODES else "other"


def _allowed(said: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in said.items() if name in SAID and value is not None}
