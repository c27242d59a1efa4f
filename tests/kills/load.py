"""Who calls while parts are killed?

1. Tips at a steady rate, whatever became of those before. Half are of children and go to every agency by duty; of the
   adults most consent right after, and some of those take it back soon; the others are nobody's.
2. Each caller asks under one Idempotency-Key until there is an answer, at one edge after the other, as a hotline does
   whose line breaks. What is answered otherwise than it should be is written down.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import httpx2

from tests.kills.evidence import Answered, Tip
from tests.support.processes import child_tip

AGAIN: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
PATIENCE_SECONDS: Final = 300.0
ASKING_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.1
CHILDREN_OF_HUNDRED, CONSENTS_OF_HUNDRED, WITHDRAWALS_OF_HUNDRED = 50, 80, 40
WITHDRAWN_WITHIN_SECONDS: Final = 2.0
ADULT_YEARS: Final = 29


class UnansweredError(Exception):
    """A request was answered wrongly, or by nobody in time."""


@dataclass
class Callers:
    """A hotline's systems: what they were answered. `edges` are names by URL; `heard` counts what was no answer yet."""

    edges: Mapping[str, str]
    token: str
    chance: Random
    tips: dict[int, Tip] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)
    _turn: Iterator[int] = field(default_factory=itertools.count)
    _line: httpx2.AsyncClient = field(default_factory=lambda: httpx2.AsyncClient(timeout=ASKING_SECONDS))

    async def call(self, rate: float, stopping: asyncio.Event) -> None:
        """Offer tips until told to stop, and end what was begun (rule 1)."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as calls:
            for number in itertools.count(1):
                if stopping.is_set():
                    break
                calls.create_task(self._offer(number))
                await asyncio.sleep(begun + number / rate - time.monotonic())
        await self._line.aclose()

    async def _offer(self, number: int) -> None:
        child = self.chance.randrange(100) < CHILDREN_OF_HUNDRED
        consents = not child and self.chance.randrange(100) < CONSENTS_OF_HUNDRED
        withdraws = consents and self.chance.randrange(100) < WITHDRAWALS_OF_HUNDRED
        wait = self.chance.random() * WITHDRAWN_WITHIN_SECONDS
        try:
            accepted = await self._ask("/v1/tips", f"t{number}", tip_body(number, child=child), 201)
            self.tips[number] = Tip(number, child, accepted)
            if consents:
                self._became(number, consent_sent=time.time())
                given = await self._ask("/v1/consents", f"c{number}", consent_body(number), 201)
                self._became(number, consented=given)
                if withdraws:
                    await asyncio.sleep(wait)
                    self._became(number, withdrawal_sent=time.time())
                    path = f"/v1/consents/{given.id}/withdraw"
                    self._became(number, withdrawn=await self._ask(path, f"w{number}", {}, 200))
        except UnansweredError as error:
            self.unanswered.append(str(error))

    def _became(self, number: int, **more: Any) -> None:  # noqa: ANN401 - what a tip has
        self.tips[number] = replace(self.tips[number], **more)

    async def _ask(self, path: str, key: str, body: dict[str, Any], wanted: int) -> Answered:
        """Rule 2. Raises `UnansweredError`."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
        until, heard = time.monotonic() + PATIENCE_SECONDS, Counter[str]()
        while time.monotonic() < until:
            edge, sent = list(self.edges)[next(self._turn) % len(self.edges)], time.time()
            try:
                answer = await self._line.post(f"{edge}{path}", json=body, headers=headers)
            except httpx2.TransportError as error:
                heard[type(error).__name__] += 1
                self.heard[type(error).__name__] += 1
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if answer.status_code == wanted:
                said = answer.json()
                return Answered(str(said["id"]), self.edges[edge], sent, time.time())
            if answer.status_code not in AGAIN:
                raise UnansweredError(f"{key}: answered with {answer.status_code}")
            heard[str(answer.status_code)] += 1
            self.heard[str(answer.status_code)] += 1
            await asyncio.sleep(PAUSE_SECONDS)
        raise UnansweredError(f"{key}: not answered but with {dict(heard)}")


def tip_body(number: int, *, child: bool) -> dict[str, Any]:
    """A fictional tip whose statement carries its number."""
    tip, words = child_tip(number), f"Example words about nobody, case number {number}."
    tip["statements"] = [{"text": words, "persons": [f"k{number}"], "category": "incident"}]
    if not child:
        tip["persons"][0]["age"] = {"years": ADULT_YEARS}
    return tip


def consent_body(number: int) -> dict[str, Any]:
    """That person's consent to tell every police."""
    now = datetime.now(UTC)
    return {
        "person": {"source": "hotline-example", "ref": f"k{number}"},
        "choice": "grant",
        "grantor": "self",
        "kinds": ["law_enforcement"],
        "purposes": ["investigation"],
        "categories": ["incident"],
        "method": "verbal",
        "informed": True,
        "given_at": _spelt(now),
        "expires_at": _spelt(now + timedelta(days=30)),
    }


def _spelt(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
