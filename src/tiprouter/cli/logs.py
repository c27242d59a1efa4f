"""What may a log line say?

1. Only the fields of `FIELDS`, and only plain values. What is not on the list is dropped, not masked: a log line must
   never be where personal data ends up, whatever a later change passes to it. What the code passes is on it
   (`tests/house/test_telemetry.py`), so that no line loses what it was written for.
2. An exception is its class, the class of what caused it, and where it happened (`file:line`). Its message and its
   local variables never appear: both may quote a record.
3. Lines of libraries (the standard library's `logging`) pass the same way and lose their message; an error of the
   operating system keeps the system's own words for it, which quote nothing.
4. JSON, one object a line, on standard error; coloured text when that is a terminal.

Not checked here: that a constant event name or an id holds no personal data. Callers pass names of their own and ids.
"""

import logging
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

FIELDS: Final = frozenset(
    {
        *("event", "level", "timestamp", "part", "signal"),
        *("record", "recipient", "delivery", "disclosure", "attempt", "decision", "bundle", "caller", "role", "lacks"),
        *("number", "result", "status", "state", "count", "size", "index", "duration_ms"),
        *("error", "cause", "reason", "frames", "file"),
        *("host", "port", "id", "request_id", "method", "route", "ms", "vkey"),
        *("notice", "channel", "duty", "chore", "form"),
        *("configured", "active", "line"),
    }
)
_PLAIN = (str, int, float, bool, type(None))
_FRAMES_MAX: Final = 12
_STRANGERS: Final = "library"


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Make every log line of this process pass the rules above. `level` is the least that is written."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_messages,
        only_allowed,
    ]
    render = structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer(sort_keys=True)
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[_of_a_library, *shared, render], pass_foreign_args=False)
    )
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)
    logging.captureWarnings(capture=True)


def only_allowed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Rule 1."""
    return {name: _plain(value) for name, value in event.items() if name in FIELDS}


def without_messages(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Rule 2: turn `exc_info` into class names and places."""
    error = _exception(event.pop("exc_info", None))
    for name in ("exception", "stack", "stack_info"):
        event.pop(name, None)
    if error is not None:
        event.update(described(error))
    return event


def described(error: BaseException) -> dict[str, str | list[str]]:
    """An exception as a log line may show it: its class, its cause's class, its frames."""
    said: dict[str, str | list[str]] = {"error": type(error).__name__, "frames": _frames(error.__traceback__)}
    cause = error.__cause__ or error.__context__
    if cause is not None:
        said["cause"] = type(cause).__name__
    if isinstance(error, OSError) and error.errno is not None:
        said["reason"] = os.strerror(error.errno)
    return said


def _of_a_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Rule 3: a foreign line is its logger's name, its place, and its exception if it has one."""
    record: logging.LogRecord = event["_record"]
    kept: dict[str, Any] = {
        "event": f"{_STRANGERS}.{record.name}",
        "file": _place(record.pathname, record.lineno),
    }
    if isinstance(record.msg, BaseException):
        kept |= described(record.msg)
    return kept | {"exc_info": event.get("exc_info", record.exc_info)}


def _exception(given: object) -> BaseException | None:
    match given:
        case BaseException():
            return given
        case (_, BaseException() as error, _):
            return error
        case None | False | (None, None, None):
            return None
        case _:
            return sys.exc_info()[1]


def _frames(start: TracebackType | None) -> list[str]:
    frames = [_place(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(start)]
    return frames[-_FRAMES_MAX:]


def _place(path: str, line: int) -> str:
    """A file and a line, without the folders of this machine."""
    parts = Path(path).parts
    for root in ("tiprouter", "site-packages"):
        if root in parts[:-1]:
            start = len(parts) - 1 - parts[::-1].index(root)
            return f"{'/'.join(parts[start:])}:{line}".removeprefix("site-packages/")
    return f"{'/'.join(parts[-2:])}:{line}"


def _plain(value: object) -> object:
    """Rule 1: a plain value or a list of texts; of anything else its type."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    return type(value).__name__
