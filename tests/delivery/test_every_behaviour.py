"""Sender, rules 3 to 8: each behaviour of `tiprouter.receiver.misbehaving` has one result, in time and in memory."""

import asyncio
import gc
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest

from tiprouter.delivery.sender import Attempted, AttemptResult, Sender
from tiprouter.receiver.misbehaving import BEHAVIOURS, Opened, opened

from .sending import TRUST, envelope

SUCCESS, HTTP_ERROR, GONE, THROTTLED, TIMEOUT = list(AttemptResult)[:5]
CONNECTION_ERROR, TLS_ERROR, FORBIDDEN, TOO_LARGE, PROTOCOL_ERROR = list(AttemptResult)[5:10]
Expected: TypeAlias = list[tuple[AttemptResult, int | None]]

DEADLINE = 0.5
SILENT_DEADLINE = 0.3  # for those who are known to use it up
LATE_SECONDS = 0.1
MEMORY_BYTES = 2_000_000
SLICE_SECONDS = 0.01
JITTER_SECONDS = 0.005  # a sleep this much too long is the timer's own coarseness
BEHAVIOURS_MIN = 60

OK: Expected = [(SUCCESS, 200)]
SILENT: Expected = [(TIMEOUT, None)]
BROKEN: Expected = [(PROTOCOL_ERROR, None)]
CUT: Expected = [(CONNECTION_ERROR, None)]
UNTRUSTED: Expected = [(TLS_ERROR, None)]
# One entry for each attempt made over the same sender, one after the other.
EXPECTED: dict[str, Expected] = {
    # well-formed
    "ok": OK,
    "no-content": [(SUCCESS, 204)],
    "gone": [(GONE, 410)],
    "server-error": [(HTTP_ERROR, 500)],
    "set-cookie": OK * 2,
    "gzip-bomb": OK,
    "encoding-lie": OK,
    "encoding-unknown": OK,
    "continue-then-ok": OK,
    "upgrade-101": [(HTTP_ERROR, 101)],
    "status-999": [(HTTP_ERROR, 999)],
    "flapping": [(THROTTLED, 503), *CUT, (HTTP_ERROR, 500), *OK, *OK],
    **{f"redirect-{status}": [(HTTP_ERROR, status)] for status in (301, 302, 303, 307, 308)},
    **{
        f"{name}-{kind}": [(THROTTLED, status)]
        for name, status in (("throttle", 429), ("unavailable", 503))
        for kind in ("seconds", "date", "negative", "absurd", "garbage", "missing")
    },
    # slow
    **dict.fromkeys(("silence", "dripped-status-line", "dripped-headers", "dripped-header-lines"), SILENT),
    "dripped-body": OK,
    "dripped-error": [(HTTP_ERROR, 500)],
    "head-then-silence": OK,
    "half-a-head": SILENT,
    # without end
    "endless-body": OK,
    "endless-error": [(HTTP_ERROR, 500)],
    "endless-chunks": OK,
    "huge-body": OK,
    "endless-chunk-extension": OK,
    "endless-trailers": OK,
    "1xx-flood": SILENT,
    "100-continue-forever": SILENT,
    "header-5mb": [(TOO_LARGE, None)],
    "status-line-5mb": [(TOO_LARGE, None)],
    "headers-100000": BROKEN,
    # cut off
    **dict.fromkeys(("closed-before-answer", "reset-before-answer", "reset-mid-head"), CUT),
    "reset-mid-body": OK,
    "200-then-reset": OK,
    "length-too-long": OK,
    "length-too-short": BROKEN,
    "gone-cut-off": [(GONE, 410)],
    "closes-kept-connection": OK + CUT + OK,
    "answers-twice": OK * 2,
    "answers-twice-late": OK * 2,
    # no HTTP
    **dict.fromkeys(("lengths-conflict", "length-negative", "length-huge", "chunk-garbage", "http-0.9"), BROKEN),
    **dict.fromkeys(("http2-preface", "http2-status", "garbage", "no-status", "nul-in-header"), BROKEN),
    **dict.fromkeys(("header-without-colon", "length-and-chunks", "lengths-equal"), BROKEN),
    **dict.fromkeys(("obs-fold", "bare-lf"), OK),  # RFC 9112 sections 5.2 and 2.2 let them be read
    # before the request was read, and before there was one
    "early-200": OK,
    "early-413": [(HTTP_ERROR, 413)],
    "reads-nothing": SILENT,
    "accept-stalled": SILENT,
    "certificate-sound": OK,
    **dict.fromkeys(("certificate-expired", "certificate-wrong-host", "certificate-self-signed"), UNTRUSTED),
    **dict.fromkeys(("certificate-unknown-ca", "tls-1.1-only", "tls-plain-http"), UNTRUSTED),
    "tls-stalled": SILENT,
    "tls-half-record": SILENT,
    "tls-cut": CUT,
    "tls-reset": CUT,
    "name-unknown": CUT,
    "name-hangs": SILENT,
    "name-rebinds": [*OK, (FORBIDDEN, None)],
    "name-mixed": [(FORBIDDEN, None)],
}
RETRY_AFTER = {"seconds": 17.0, "date": None, "negative": None, "absurd": None, "garbage": None, "missing": None}


class Starved:
    """How long this process was kept from the processor: sleeps that took too long, less its own work meanwhile."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def watch(self) -> None:
        """Sleep in slices, for ever."""
        while True:
            began, worked = time.monotonic(), time.process_time()
            await asyncio.sleep(SLICE_SECONDS)
            late = time.monotonic() - began - SLICE_SECONDS - (time.process_time() - worked)
            self.seconds += max(0.0, late - JITTER_SECONDS)


@asynccontextmanager
async def starvation() -> AsyncIterator[Starved]:
    """Watch while the block runs."""
    starved = Starved()
    watch = asyncio.create_task(starved.watch())
    try:
        yield starved
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


def sender_for(place: Opened) -> Sender:
    """Return a sender that trusts the receiver's authority and looks its name up as the behaviour wants."""
    trust = ssl.create_default_context(cadata=place.authority.pem) if place.authority else TRUST
    return Sender(sandbox=True, ssl_context=trust, lookup=place.lookup)


async def attempt_in_bounds(sender: Sender, url: str, deadline_seconds: float) -> Attempted:
    """Make one attempt; see that it keeps to its memory, and to its time by its own word and by the loop's clock."""
    clock = asyncio.get_running_loop().time
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        async with starvation() as starved:
            begun = clock()
            attempted = await sender.send(envelope(url, timeout_seconds=deadline_seconds))
            took_seconds = clock() - begun
            await asyncio.sleep(SLICE_SECONDS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    allowed_seconds = deadline_seconds + LATE_SECONDS + starved.seconds
    assert attempted.duration_ms <= 1000 * allowed_seconds
    assert took_seconds <= allowed_seconds
    assert peak - before <= MEMORY_BYTES
    return attempted


def test_every_behaviour_has_its_result_here() -> None:
    """None is shipped untested, and there are enough of them."""
    assert set(EXPECTED) == set(BEHAVIOURS)
    assert len(BEHAVIOURS) >= BEHAVIOURS_MIN
    assert all(behaviour.meaning.endswith(".") for behaviour in BEHAVIOURS.values())


@pytest.mark.parametrize("name", sorted(BEHAVIOURS))
async def test_a_behaviour_gets_its_result_in_time_and_in_memory(name: str) -> None:
    """Rules 3 to 8: deadline plus 0.1 s, 2 MB, one result, a bounded snippet, and the sender works afterwards."""
    async with opened(name) as place, opened("ok") as prompt, sender_for(place) as sender:
        # What is imported and made once belongs to no attempt.
        assert (await sender.send(envelope(prompt.url, timeout_seconds=5))).result is SUCCESS
        for result, status in EXPECTED[name]:
            attempted = await attempt_in_bounds(sender, place.url, SILENT_DEADLINE if result is TIMEOUT else DEADLINE)
            assert (attempted.result, attempted.status) == (result, status)
            assert len(attempted.snippet) <= 1_024
            assert b"stray" not in attempted.snippet
            _, _, kind = name.partition("-")
            if result is THROTTLED and kind in RETRY_AFTER:
                assert attempted.retry_after_seconds == RETRY_AFTER[kind]
            await asyncio.sleep(0.03)  # what a receiver still has to say, it says now
        assert (await sender.send(envelope(prompt.url, timeout_seconds=5))).result is SUCCESS
    assert all("cookie" not in request.headers for request in place.receiver.requests)
