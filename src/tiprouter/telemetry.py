"""What does this process count and time, and under which labels?

1. Every label's values are a closed set: route templates, lanes, results, states. Never an id, a path, or anything that
   a caller sent or a record holds; `tests/house/test_telemetry.py` reads what was counted and holds it to that.
2. Counters begin at nought with the process. What is true of the whole service (what waits, how late) is read from the
   database when somebody asks (`workflow/vitals.py`).
3. A span is one step of work with such labels, through OpenTelemetry's API: nothing happens to it until whoever runs
   the service installs and configures an SDK (`OTEL_...`).

Prometheus names its units in its metrics: seconds, totals.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY: Final = CollectorRegistry()
NAMESPACE: Final = "tiprouter"

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
    "Attempts that this process made, by lane, what was sent, what came of it, and the class of the answer's status.",
    ("lane", "kind", "result", "status"),
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


def answered(method: str, route: str | None, status: int, seconds: float) -> None:
    """One request: its route's template, or none where nothing is."""
    _ANSWERS.labels(method, route or "none", _class_of(status)).inc()
    _ANSWER_SECONDS.labels(route or "none").observe(seconds)


def attempted(lane: str, kind: str, result: str, status: int | None, seconds: float) -> None:
    """One attempt of a worker's."""
    _ATTEMPTS.labels(lane, kind, result, _class_of(status)).inc()
    _ATTEMPT_SECONDS.labels(lane).observe(seconds)


def delivered(lane: str, seconds: float, margin_seconds: float) -> None:
    """One delivery that arrived: after so many seconds, with so many left."""
    _DELIVERED_SECONDS.labels(lane).observe(seconds)
    _MARGIN_SECONDS.labels(lane).observe(max(margin_seconds, 0.0))


@contextmanager
def span(name: str, **labels: str | int) -> Iterator[None]:
    """A step of work, for whoever traces it. An error leaves only its class: its text may quote a record."""
    with _tracer.start_as_current_span(
        name, attributes=labels, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def _class_of(status: int | None) -> str:
    return "none" if not status else f"{status // 100}xx"
