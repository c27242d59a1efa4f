"""May anything but the listed fields reach a log line? (cli/logs.py)"""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tiprouter.cli import logs

MARKER = "+1-555-0199"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Configure logging onto a text that is read back, and put everything back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def said(stream: io.StringIO) -> list[dict[str, Any]]:
    """Parse what was logged; no line may hold the marker."""
    assert MARKER not in stream.getvalue()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail() -> None:
    """Fail with a message that quotes data, because of another such error."""
    number, known = MARKER, dict[str, str]()
    try:
        known[number]
    except KeyError as error:
        raise ValueError(f"cannot call {number}") from error


def test_an_unlisted_field_is_dropped(lines: io.StringIO) -> None:
    """Rule 1: what is not on the list does not appear, not even masked; what is on it does."""
    structlog.get_logger().info("attempt.finished", phone=MARKER, delivery="msg_1", status=200)
    (line,) = said(lines)
    assert set(line) == {"event", "level", "timestamp", "delivery", "status"}


def test_a_listed_field_holds_a_plain_value_or_its_type(lines: io.StringIO) -> None:
    """Rule 1: a whole object under a listed name shows its type only."""
    structlog.get_logger().info("attempt.finished", result={"phone": MARKER}, status=[1, MARKER])
    (line,) = said(lines)
    assert (line["result"], line["status"]) == ("dict", "list")


def test_an_exception_is_its_class_and_place(lines: io.StringIO) -> None:
    """Rule 2: neither message nor local variable appears; class, cause and frames do."""
    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("decision.error", record="tip_1")
    (line,) = said(lines)
    assert (line["error"], line["cause"], line["record"]) == ("ValueError", "KeyError", "tip_1")
    assert [frame.partition(":")[0] for frame in line["frames"]] == ["cli/test_logs.py"] * 2


def test_a_librarys_line_loses_its_message(lines: io.StringIO) -> None:
    """Rule 3: a library may quote a request, so its words, its arguments and its exception's words are dropped."""
    try:
        fail()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("failed for %s", MARKER)
    logging.getLogger("asyncio").error("Task exception: ValueError('%s')", MARKER, extra={"phone": MARKER})
    one, other = said(lines)
    assert (one["event"], one["error"], one["cause"]) == ("library.uvicorn.error", "ValueError", "KeyError")
    assert set(other) == {"event", "level", "timestamp", "file"}


def test_the_operating_systems_own_words_are_kept(lines: io.StringIO) -> None:
    """Rule 3: `Address already in use` quotes nothing and is what an operator needs."""
    logging.getLogger("uvicorn.error").error(OSError(98, f"while binding {MARKER}"))
    (line,) = said(lines)
    assert (line["error"], line["reason"]) == ("OSError", "Address already in use")


def test_a_warning_loses_its_message(lines: io.StringIO) -> None:
    """Rule 3 holds for Python's warnings too."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn(f"odd number {MARKER}", stacklevel=1)
        logging.captureWarnings(capture=False)
    assert [line["event"] for line in said(lines)] == ["library.py.warnings"]


def test_the_least_level_is_kept(lines: io.StringIO) -> None:
    """What is below the configured level is not written."""
    structlog.get_logger().debug("decision.made")
    assert said(lines) == []
