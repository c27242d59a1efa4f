"""Tests of the tests: each fault a sender could have is planted, and a story about a misbehaving receiver sees it."""

import asyncio
import tracemalloc
from typing import Any

import aiohttp
import pytest

from tiprouter.delivery import dialling
from tiprouter.delivery import sender as sender_module
from tiprouter.receiver.misbehaving import opened
from tiprouter.receiver.misbehaving.acts import reply
from tiprouter.receiver.misbehaving.listening import serve

from .sending import HTTP_ERROR, SUCCESS, attempt, envelope, sandbox, url
from .test_every_behaviour import MEMORY_BYTES, sender_for


async def test_a_redirect_that_is_followed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 2: the other place is called, and its 200 is taken for the recipient's."""
    post = aiohttp.ClientSession.post

    def following(self: aiohttp.ClientSession, target: Any, **how: Any) -> Any:  # noqa: ANN401 - as the library's
        return post(self, target, **{**how, "allow_redirects": True})

    async with serve(reply(200)) as elsewhere:
        moved = reply(307, headers=f"Location: {url(elsewhere)}\r\n")
        assert ((await attempt(moved))[0].result, elsewhere.connections) == (HTTP_ERROR, 0)
        monkeypatch.setattr(aiohttp.ClientSession, "post", following)
        assert ((await attempt(moved))[0].result, elsewhere.connections) == (SUCCESS, 1)


async def test_a_redirect_that_counts_as_success_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4: below 400 is not below 300."""
    monkeypatch.setattr(sender_module, "_SUCCESSES", range(200, 400))
    async with opened("redirect-302") as place, sender_for(place) as sender:
        assert (await sender.send(envelope(place.url))).result is SUCCESS


async def test_a_body_without_bound_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 5: the memory of one attempt exceeds what the stories allow."""
    monkeypatch.setattr(sender_module, "BODY_BYTES_MAX", 10**9)
    monkeypatch.setattr(sender_module, "SNIPPET_BYTES_MAX", 10**9)
    async with opened("endless-body") as place, sender_for(place) as sender:
        tracemalloc.start()
        try:
            attempted = await sender.send(envelope(place.url))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak > MEMORY_BYTES
    assert len(attempted.snippet) > 1_024


async def test_an_unasked_answer_that_is_believed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dialling, rule 5: the stray answer to nothing is taken for that of the next message."""
    for believed in (False, True):
        if believed:
            monkeypatch.setattr(dialling, "check_unspoken", lambda _: None)
        async with opened("answers-twice-late") as place, sandbox() as sender:
            assert (await sender.send(envelope(place.url))).snippet == b""
            await asyncio.sleep(0.05)
            second = await sender.send(envelope(place.url))
            assert (second.result, second.snippet) == (SUCCESS, b"stray" if believed else b"")
        assert place.receiver.connections == (1 if believed else 2)
