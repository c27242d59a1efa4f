"""Which answers are no HTTP, have no end, or stop in the middle?"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from tiprouter.receiver.misbehaving.acts import (
    OK,
    OK_HEAD,
    WAVE_BYTES,
    answer_again,
    close_when_used_again,
    drip,
    early,
    flood,
    lengthy,
    reset_after,
    then_hang,
    write,
)
from tiprouter.receiver.misbehaving.listening import ENOUGH_SECONDS, Act, hang

Named: TypeAlias = dict[str, tuple[str, Callable[[], Act]]]

_LONG = OK_HEAD + b"Content-Length: 1000\r\n\r\n"
_CHUNKED = OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_WAVE = b"x" * WAVE_BYTES
_FIVE_MB_WAVES = 77
_CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

SLOW: Named = {
    "silence": ("Reads the request and never answers.", lambda: hang),
    "dripped-status-line": ("The status line, a byte every 50 ms.", lambda: drip(b"HTTP/1.1 200 ", b"x")),
    "dripped-headers": ("One header, a byte every 50 ms.", lambda: drip(OK_HEAD + b"X: ", b"x")),
    "dripped-header-lines": ("A header line every 50 ms.", lambda: drip(OK_HEAD, b"X: x\r\n")),
    "dripped-body": ("200, then a byte of body every 50 ms.", lambda: drip(_LONG, b"x")),
    "dripped-error": (
        "500, then a byte of body every 50 ms.",
        lambda: drip(b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n", b"x"),
    ),
    "head-then-silence": ("200, and a body that never comes.", lambda: then_hang(_LONG)),
    "half-a-head": ("Half a head, then nothing.", lambda: then_hang(OK_HEAD + b"Content-Le")),
}
ENDLESS: Named = {
    "endless-body": ("200 with a body that ends with the connection, never.", lambda: flood(OK_HEAD + b"\r\n", _WAVE)),
    "endless-error": ("500 with a body without end.", lambda: flood(b"HTTP/1.1 500 No\r\n\r\n", _WAVE)),
    "endless-chunks": ("200 with chunks without end.", lambda: flood(_CHUNKED, _CHUNK)),
    "endless-chunk-extension": ("200 with one chunk's extension without end.", lambda: flood(_CHUNKED + b"1;", _WAVE)),
    "endless-trailers": ("200 with trailers without end.", lambda: flood(_CHUNKED + b"0\r\n", b"X: x\r\n" * 4_000)),
    "huge-body": (
        "200 with 50 MB of body, rightly announced.",
        lambda: lengthy(OK_HEAD + b"Content-Length: 50003968\r\n\r\n", _WAVE, 763),
    ),
    "header-5mb": ("A header of 5 MB.", lambda: lengthy(OK_HEAD + b"X: ", _WAVE, _FIVE_MB_WAVES, b"\r\n\r\n")),
    "status-line-5mb": (
        "A status line of 5 MB.",
        lambda: lengthy(b"HTTP/1.1 200 ", _WAVE, _FIVE_MB_WAVES, b"\r\n\r\n"),
    ),
    "headers-100000": ("100,000 headers.", lambda: lengthy(OK_HEAD, b"X: x\r\n" * 1_000, 100, b"\r\n")),
    "1xx-flood": ("103 without end.", lambda: flood(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)),
    "100-continue-forever": ("100, every 50 ms for ever.", lambda: drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
}
CUT: Named = {
    "closed-before-answer": ("Closes without a word.", lambda: write(b"")),
    "reset-before-answer": ("Resets without a word.", lambda: reset_after(b"")),
    "reset-mid-head": ("Resets in the middle of a header.", lambda: reset_after(OK_HEAD + b"X: ")),
    "reset-mid-body": ("200, then resets in the middle of the body.", lambda: reset_after(_LONG + b"some")),
    "200-then-reset": ("A whole 200, then a reset.", lambda: reset_after(OK)),
    "length-too-long": ("200 that announces more than it sends.", lambda: write(_LONG + b"short")),
    "length-too-short": (
        "200 that sends more than it announces.",
        lambda: write(OK_HEAD + b"Content-Length: 2\r\n\r\nmuch longer"),
    ),
    "gone-cut-off": ("410 whose body is cut off.", lambda: write(b"HTTP/1.1 410 Gone\r\nContent-Length: 9\r\n\r\nx")),
    "closes-kept-connection": ("200, then closes on the next request.", close_when_used_again),
    "answers-twice": ("200 twice at once for one request.", lambda: then_hang(OK + OK)),
    "answers-twice-late": ("200, and another 20 ms later.", lambda: answer_again(0.02)),
}
MALFORMED: Named = {
    "lengths-conflict": (
        "Two lengths that differ.",
        lambda: write(OK_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    ),
    "lengths-equal": (
        "The same length twice.",
        lambda: write(OK_HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nxx"),
    ),
    "length-negative": ("A length below zero.", lambda: write(OK_HEAD + b"Content-Length: -1\r\n\r\n")),
    "length-huge": ("A length of 40 digits.", lambda: write(OK_HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nx")),
    "length-and-chunks": (
        "A length and chunks.",
        lambda: write(OK_HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ),
    "chunk-garbage": ("A chunk of no size.", lambda: write(_CHUNKED + b"zz\r\n")),
    "http-0.9": ("A page without a head.", lambda: write(b"<html>hello</html>\r\n\r\n")),
    "http2-preface": (
        "HTTP/2 without having been asked.",
        lambda: write(b"\0\0\x12\x04\0\0\0\0\0" + b"\0\x03\0\0\0\x64" * 3),
    ),
    "http2-status": ("HTTP/2 in a status line.", lambda: write(b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n")),
    "garbage": ("Every byte there is.", lambda: write(bytes(range(256)) + b"\r\n\r\n")),
    "no-status": ("A status that is no number.", lambda: write(b"HTTP/1.1 abc OK\r\n\r\n")),
    "nul-in-header": ("A NUL byte in a header.", lambda: write(OK_HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n")),
    "obs-fold": (
        "A header folded over two lines.",
        lambda: write(OK_HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    ),
    "bare-lf": ("Line feeds alone.", lambda: write(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")),
    "header-without-colon": ("A header without a colon.", lambda: write(OK_HEAD + b"nonsense\r\n\r\n")),
}
ACTS: Named = SLOW | ENDLESS | CUT | MALFORMED
EARLY_ACTS: Named = {
    "early-200": ("200 before the body was read.", lambda: early(then_hang(OK))),
    "early-413": (
        "413 before the body was read, and then nothing.",
        lambda: early(_stall_after(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")),
    ),
    "reads-nothing": ("Accepts, and neither reads nor writes.", lambda: _stall),
}


def _stall_after(raw: bytes) -> Act:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await _stall(reader, writer)

    return behave


async def _stall(reader: object, writer: object) -> None:
    del reader, writer
    await asyncio.sleep(ENOUGH_SECONDS)
