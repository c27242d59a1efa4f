"""The product's command line, which also writes down how long each claim took that claimed something.

`python -m tests.kills.traced FILE worker --data ...`: FILE gets a line for each, seconds since 1970 and milliseconds.
"""

import os
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from tiprouter.cli.main import run

NANOSECONDS = 1_000_000_000


class Claims(SpanProcessor):
    """Writes down every claim that found something."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended."""
        if span.name == "claim" and (span.attributes or {}).get("count") and span.start_time and span.end_time:
            took = (span.end_time - span.start_time) / NANOSECONDS
            os.write(self._file, f"{span.end_time / NANOSECONDS:.3f} {took * 1_000:.2f}\n".encode())


def claims_in(file: Path) -> list[tuple[float, float]]:
    """What was written down: when a claim ended, in seconds since 1970, and its milliseconds."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [(float(at), float(took)) for at, took in (line.split() for line in lines)]


if __name__ == "__main__":
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Claims(Path(sys.argv.pop(1))))
    trace.set_tracer_provider(provider)
    sys.argv[0] = "tiprouter"
    run()
