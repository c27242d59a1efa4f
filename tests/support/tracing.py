"""Every span of this process, kept in memory for a test."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@functools.cache
def _provider() -> TracerProvider:
    """OpenTelemetry takes one provider a process and keeps it."""
    provider = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(provider)
    return provider


@contextmanager
def traced() -> Iterator[InMemorySpanExporter]:
    """What ends from now on, until the end; nothing is kept of it afterwards."""
    exporter = InMemorySpanExporter()
    _provider().add_span_processor(SimpleSpanProcessor(exporter))
    try:
        yield exporter
    finally:
        exporter.shutdown()
        exporter.clear()
