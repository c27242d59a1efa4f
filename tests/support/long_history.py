"""A long fictional history: decisions as the router makes them, over many distinct facts, with their audit entries.

Run as a program it fills a database, makes every decision again, and asks the other shipped bundle about them:
`python -m tests.support.long_history 100000 10000 [postgresql+asyncpg://...]` for so many decisions over about so many
distinct facts; without a URL in SQLite.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.support.fictional import tip
from tests.support.service import Service, bundle, open_service
from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import verdict_of
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Perceived,
    RecipientKind,
    RecordKind,
    Relationship,
    Role,
)
from tiprouter.policy.engine import Engine
from tiprouter.policy.library import Library
from tiprouter.storage import decisions, tables
from tiprouter.storage.database import Transaction
from tiprouter.storage.records import Stored
from tiprouter.workflow.assess import Saying
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening
from tiprouter.workflow.history import replay
from tiprouter.workflow.simulation import simulate

WORD = TypeVar("WORD", bound=StrEnum)
AT_ONCE = 500


KINDS = tuple(RecipientKind)


Agencies = Mapping[RecipientKind, Sequence[str]]


def found(tx: Transaction, desk: Desk, each: int) -> Agencies:
    """So many new agencies of each kind."""
    with happening(tx, desk, ROUTER) as it:
        made = {kind: [it.id("rcp") for _ in range(each)] for kind in KINDS}
        rows = [{"id": one, "kind": kind, "revision": 1, "details": {}} for kind, some in made.items() for one in some]
        tx.execute(tables.recipients.insert(), [row | {"registered_at": it.now} for row in rows])
        return made


def fill(
    tx: Transaction, desk: Desk, engine: Engine, chance: random.Random, some: Sequence[Facts], known: Agencies
) -> None:
    """Decide on these facts about new records, toward agencies of which few have most, and log each decision."""
    with happening(tx, desk, ROUTER) as it:
        made = []
        for number, facts in enumerate(some):
            if number % len(KINDS) == 0:
                stored = _record(it)
            received = it.now - timedelta(seconds=chance.randrange(3_600))
            stored = replace(stored, record=replace(stored.record, received_at=received))
            within = timedelta(hours=chance.choice((1, 24, 36))) if facts.duty is DutyState.REQUIRED else None
            verdict = verdict_of(Finding(facts, None, within), engine.rule(facts), received)
            theirs = known[facts.recipient_kind]
            often = [1 / rank for rank in range(1, len(theirs) + 1)]
            whom = (stored.persons[0], chance.choices(theirs, often)[0])
            made.append(Saying.of(it, stored, verdict, "record.accepted").to(it, whom, None, None))
        decisions.add(tx, made)


def _record(it: Happening) -> Stored:
    record_id, person_id = it.id("tip"), it.id("prs")
    row = {"id": record_id, "kind": RecordKind.TIP, "external": record_id, "revision": 1, "epoch": 1}
    times = dict.fromkeys(("received_at", "accepted_at", "revised_at"), it.now)
    it.tx.execute(tables.records.insert(), row | times)
    it.tx.execute(tables.persons.insert(), {"id": person_id, "external": person_id, "created_at": it.now})
    values: dict[str, Any] = dict.fromkeys(Stored.__slots__)
    values |= {"id": record_id, "kind": RecordKind.TIP, "revision": 1, "record": tip(), "persons": (person_id,)}
    return Stored(**values)


def _facts(chance: random.Random, kind: RecipientKind, rows: Sequence[str]) -> Facts:
    """Facts as they often are: the usual value of each, and sometimes another."""
    age = _mostly(chance, AgeBand.ADULT, 0.6)
    duty = DutyState.NOT_REQUIRED
    if age is not AgeBand.ADULT and kind in (RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION):
        duty = _mostly(chance, DutyState.REQUIRED, 0.8)
    consent = _mostly(chance, ConsentState.NOT_ASKED, 0.4)
    return Facts(
        recipient_kind=kind,
        usable=chance.random() < 0.97,
        agreement=chance.random() < 0.9,
        implicated=chance.random() < 0.03,
        in_jurisdiction=_mostly(chance, Answer.YES, 0.9),
        role=_mostly(chance, Role.POTENTIAL_VICTIM, 0.7),
        age=age,
        duty=duty,
        reporter=chance.choice(list(Relationship)),
        immediate=_mostly(chance, Answer.NO, 0.6),
        escalating=_mostly(chance, Answer.NO, 0.6),
        perceived=chance.choice(list(Perceived)),
        fresh=chance.random() < 0.4,
        basis=_mostly(chance, Basis.NONE, 0.5),
        consents=tuple(_mostly(chance, consent, 0.9) for _ in Category),
        rows=(chance.choice(rows),) if duty is DutyState.REQUIRED else (),
    )


def _mostly(chance: random.Random, usual: WORD, share: float) -> WORD:
    """The usual word, or any of its vocabulary."""
    return usual if chance.random() < share else chance.choice(list(type(usual)))


async def lengthen(service: Service, count: int, distinct: int, seed: int = 1, agencies: int | None = None) -> None:
    """Add `count` decisions over about `distinct` facts to a service's history, a second for each `AT_ONCE` of them.

    Toward `agencies` of each kind, the second one half as often as the first; or each time toward one new of each kind.
    """
    chance, engine = random.Random(seed), service.desk.library.keep(bundle())  # noqa: S311 - no secret
    rows = sorted(engine.bundle.slices)
    pool = [[_facts(chance, kind, rows) for _ in range(max(1, distinct // len(KINDS)))] for kind in KINDS]
    facts = [chance.choice(pool[number % len(KINDS)]) for number in range(count)]
    known: Agencies = {}
    for first in range(0, count, AT_ONCE):
        if agencies is None or not known:
            known = await service.database.write(partial(found, desk=service.desk, each=agencies or 1))
            service.clock.forward(seconds=0 if agencies is None else 1)
        some = facts[first : first + AT_ONCE]
        await service.database.write(
            partial(fill, desk=service.desk, engine=engine, chance=chance, some=some, known=known)
        )
        service.clock.forward(seconds=1)


async def _measure(url: str, folder: Path, count: int, distinct: int) -> None:
    async with open_service(url, folder) as service:
        began = time.perf_counter()
        await lengthen(service, count, distinct)
        await service.sequencer.drain()
        _say(f"{count:,} decisions made and logged in {time.perf_counter() - began:.1f} s")
        facts = await service.rows("select count(distinct cast(facts as text)) from decisions")
        _say(f"{facts[0][0]:,} distinct facts")
        desk = replace(service.desk, library=Library())
        spent = time.process_time()
        found = await replay(service.database, desk)
        spent = time.process_time() - spent
        _say(f"made again and compared with the log in {found.seconds:.1f} s, {spent:.1f} s of one processor")
        _say(f"{found.same:,} same, {found.log}")
        began = time.perf_counter()
        supposed = await simulate(service.database, desk, Engine(bundle("tip-sharing")), None)
        _say(f"simulated {supposed.simulated:,} in {time.perf_counter() - began:.1f} s")
        _say(str({shift.kind: shift.decisions for shift in supposed.shifts}))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _main(count: int, distinct: int, url: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(url or f"sqlite:///{folder}/tiprouter.db", Path(folder), count, distinct))


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
