"""Would every decision that was ever made be made again, and is it what the log says?

1. Each stored decision is made again from its stored facts, under the bundle of its day, and compared: outcome,
   categories, determining policies, review, call, notice, errors, deadline, urgency, written report.
2. What has no facts (no recipient was found, or an error came before the policy) cannot be made again and is counted;
   it must let nothing leave. So is what was decided under a bundle that is not stored. Decisions older than their
   moment of receipt in the database are compared without their deadlines, and counted.
   A decision that rests on a reviewer's answer is made again with that answer: no more than the policy permits left.
3. A report in writing is due after business days of a zone that is not stored: one of the bundle's zones must give it.
4. Beside it each decision is compared with its entry in the log: the salted commitment to its facts, and the rest of
   what the entry says. A decision without an entry is found, and an entry without its decision.
5. Nothing is written. Pages are short transactions of their own; what is decided meanwhile may be left out.

Not promised: that the facts were derived rightly from the record, which is sealed; nor that the log is the one that was
signed, which `audit verify` and the service's start say. What the differences say is closed vocabulary and ids.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any, Final

from tiprouter.domain.explain import VOCABULARY, facts_from
from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import Verdict, verdict_of
from tiprouter.domain.review import answered_in
from tiprouter.domain.vocabulary import Category, Outcome
from tiprouter.policy.engine import Engine
from tiprouter.policy.gate.words import point
from tiprouter.storage import past
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.past import Past
from tiprouter.workflow.assess import facts_bytes
from tiprouter.workflow.happening import Desk, NoBundleError, engine_of, moment
from tiprouter.workflow.logbook import TOLD, Logbook, LogReader, Unlike, forgotten

PAGE: Final = 1_000
REMEMBERED: Final = 16_384
NO_RECEIPT: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that would not be made again, or is not what the log says: what differs, and its facts in words."""

    decision: str
    what: tuple[str, ...]
    situation: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many decisions are what in the end, the first differences, and how long it took.

    Every decision is one of same, different, without facts, or under a bundle that is not known.
    """

    same: int
    different: int
    without_facts: int
    unknown_bundle: int
    deadline_not_comparable: int
    log: Logbook
    differences: tuple[Difference, ...]
    seconds: float

    @property
    def replayed(self) -> int:
        """How many were made again, or should have been."""
        return self.same + self.different

    @property
    def ok(self) -> bool:
        """Whether every decision is what it was made."""
        return not self.different and not self.log.faults


async def replay(database: Database, desk: Desk, since: datetime | None = None, *, page_size: int = PAGE) -> Replayed:
    """Make every decision since a moment again (rules 1-5). Raises `AlteredBundleError`, `BundleError`."""
    began = time.perf_counter()
    engines, reader = Engines(database, desk), LogReader(database, since, page_size)
    counts: Counter[str] = Counter()
    unlike: list[Unlike] = []
    async for page in decisions(database, Past(since), page_size):
        known = await engines.of(page)
        unlike += (await asyncio.to_thread(_judged, page, known, counts))[: TOLD - len(unlike)]
        await reader.keep_up(page)
    log = await reader.finish()
    return Replayed(
        same=counts["same"],
        different=counts["different"],
        without_facts=counts["without facts"],
        unknown_bundle=counts["unknown bundle"],
        deadline_not_comparable=counts["no receipt"],
        log=log,
        differences=tuple(
            Difference(one.decision.id, one.what, _situation(one.decision)) for one in (*unlike, *log.unlike)
        ),
        seconds=time.perf_counter() - began,
    )


async def decisions(database: Database, wanted: Past, page_size: int = PAGE) -> AsyncIterator[list[Decision]]:
    """Stored decisions, a page at a time (rule 5)."""
    after: str | None = None
    while page := await database.read(partial(past.page, wanted=wanted, after=after, limit=page_size)):
        yield page
        after = page[-1].id


class Engines:
    """The engines of the bundles that decisions were made under, each found once."""

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database, self._desk = database, desk
        self._unknown: set[str] = set()

    async def of(self, page: list[Decision]) -> dict[str, Engine]:
        """The engines of a page's decisions by bundle digest, without those of bundles that are not stored."""
        wanted = {decision.bundle for decision in page} - self._unknown
        found = {digest: await self._database.read(partial(self._find, digest=digest)) for digest in wanted}
        self._unknown |= {digest for digest, engine in found.items() if engine is None}
        return {digest: engine for digest, engine in found.items() if engine is not None}

    def _find(self, tx: Transaction, digest: str) -> Engine | None:
        try:
            return engine_of(tx, self._desk, digest)
        except NoBundleError:
            return None


def again(decision: Decision, engine: Engine, facts: Facts) -> Verdict:
    """A decision as it would be made again from its facts (rules 1, 3)."""
    protocol, ruling = engine.bundle.protocol, engine.rule(facts)
    within = None if decision.duty_within is None else timedelta(seconds=decision.duty_within)
    received_at = decision.received_at or NO_RECEIPT
    review = answered_in(decision.policies, decision.categories)

    def counted_in(zone: tzinfo) -> Verdict:
        return verdict_of(Finding(facts, None, within, zone), ruling, received_at, review)

    verdict = counted_in(protocol.default_zone)
    if verdict.written_by is None or verdict.written_by == decision.written_by:
        return verdict
    zones = dict.fromkeys(territory.zone for territory in protocol.territories.values())
    return next((other for other in map(counted_in, zones) if other.written_by == decision.written_by), verdict)


def facts_of(decision: Decision) -> Facts | None:
    """What a decision was made from; None when it has no facts, or none that can be read."""
    return facts_in(decision.facts)


def facts_in(stored: Mapping[str, Any] | None) -> Facts | None:
    """Facts as they are stored; None when there are none, or none that can be read."""
    return None if stored is None else _read(facts_bytes(stored))


@lru_cache(maxsize=REMEMBERED)
def _read(plain: bytes) -> Facts | None:
    try:
        return facts_from(json.loads(plain))
    except (LookupError, ValueError, TypeError, AttributeError, StopIteration):
        return None


def in_words(facts: Facts) -> str:
    """Facts as counsel reads them."""
    values: dict[str, Any] = {fact: getattr(facts, fact) for fact in VOCABULARY}
    if len(set(facts.consents)) == 1:
        values["consent.everything"] = facts.consents[0]
    else:
        values |= {f"consent.{name.value}": state for name, state in zip(Category, facts.consents, strict=True)}
    if facts.rows:
        values["duty rows"] = " and ".join(facts.rows)
    return point(values)


def _judged(page: list[Decision], engines: Mapping[str, Engine], counts: Counter[str]) -> list[Unlike]:
    found = []
    for decision in page:
        what = tuple(_faults(decision, engines.get(decision.bundle), counts))
        counts["different"] += bool(what)
        if what:
            found.append(Unlike(decision, what))
    return found


def _faults(decision: Decision, engine: Engine | None, counts: Counter[str]) -> Iterator[str]:
    """What differs when a decision is made again; what cannot be, or is the same, is counted (rules 1, 2)."""
    if decision.facts is None:
        if not forgotten(decision) and (decision.categories or decision.outcome in _LEAVING):
            yield "facts: none, and yet something leaves"
        else:
            counts["without facts"] += 1
        return
    if engine is None:
        counts["unknown bundle"] += 1
        return
    facts = facts_of(decision)
    if facts is None:
        yield "facts: they cannot be read"
        return
    was, is_now = _said(decision), _would_say(again(decision, engine, facts))
    if decision.received_at is None:
        counts["no receipt"] += 1
        was, is_now = was[: -len(_TIMED)], is_now[: -len(_TIMED)]
    counts["same"] += was == is_now
    for name, before, after in zip(_COMPARED, was, is_now, strict=False):
        if before != after:
            yield f"{name}: stored {_spelled(before)}, made again {_spelled(after)}"


_LEAVING: Final = (Outcome.REPORT, Outcome.DISCLOSE)
_TIMED: Final = ("call", "deadline", "urgency", "written report")
"""What rests on columns that older decisions do not have."""

_COMPARED: Final = ("outcome", "categories", "policies", "review", "errors", "notice", *_TIMED)


def _said(one: Decision) -> tuple[object, ...]:
    plain = (one.outcome, one.categories, one.policies, one.review, one.errors, one.notice)
    return (*plain, one.call, one.deadline, one.urgency, one.written_by)


def _would_say(one: Verdict) -> tuple[object, ...]:
    categories = tuple(category.value for category in Category if category in one.categories)
    plain = (one.outcome, categories, one.policies, one.review, one.errors, one.notice.value)
    return (*plain, one.call, one.deadline, one.urgency, one.written_by)


def _spelled(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value) or ""
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _situation(decision: Decision) -> str:
    facts = facts_of(decision)
    return "without facts" if facts is None else in_words(facts)
