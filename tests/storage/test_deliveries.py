"""Which delivery is due, who may hold it, and that nobody waits behind a dead agency (rules 1-4 of the module)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.engine import Connection

from tests.storage.bare import add_alone, add_delivery, add_matter, add_recipient, add_record
from tests.support.service import START
from tiprouter.domain.lanes import Lane, Places, Room
from tiprouter.domain.pace import Pace
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage import deliveries
from tiprouter.storage.database import Database, open_database
from tiprouter.workflow.choosing import choose

SECOND = timedelta(seconds=1)


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated database with three agencies, on each of the two kinds."""
    opened = open_database(migrated_url)

    def agencies(tx: Connection) -> None:
        for name in "abc":
            add_recipient(tx, f"rcp_{name}")

    await opened.write(agencies)
    yield opened
    await opened.close()


async def due(
    database: Database,
    limit: int = 50,
    each: int = 50,
    held: dict[tuple[str, Lane], int] | None = None,
    later: timedelta = SECOND,
) -> list[str]:
    """The ids of what is chosen shortly after START, with so many places free."""
    busy = held or {}
    room = Room(Places(limit + sum(busy.values()), {}), each, busy)
    chosen = await database.write(lambda tx: choose(tx, START + later, room, Pace()))
    return [one.id for one in chosen.deliveries]


async def test_imminent_danger_comes_first_then_first_attempts_then_what_waited_longest(database: Database) -> None:
    """The order is urgency, then whether it was tried, then when it fell due; a retry never goes before a first try."""

    def rows(tx: Connection) -> None:
        retried = {"state": DeliveryState.RETRYING, "attempts": 3}
        add_alone(tx, "e", "rcp_a", next_at=START - 9 * SECOND, **retried)
        add_alone(tx, "d", "rcp_a", next_at=START)
        add_alone(tx, "c", "rcp_b", next_at=START - 2 * SECOND)
        add_alone(tx, "b", "rcp_b", urgency=Urgency.IMMINENT, next_at=START - SECOND, **retried)
        add_alone(tx, "a", "rcp_c", urgency=Urgency.IMMINENT, next_at=START)
        add_alone(tx, "later", "rcp_c", urgency=Urgency.IMMINENT, next_at=START + 2 * SECOND)

    await database.write(rows)
    assert await due(database) == ["a", "b", "c", "d", "e"]
    assert await due(database, limit=2) == ["a", "b"]
    assert "later" in await due(database, later=3 * SECOND)


@pytest.mark.parametrize("state", sorted(set(DeliveryState) - {DeliveryState.QUEUED, DeliveryState.RETRYING}))
async def test_only_what_waits_is_due(database: Database, state: DeliveryState) -> None:
    """What is claimed, or has ended in whatever way, is never due."""
    await database.write(lambda tx: add_alone(tx, "done", "rcp_a", state=state))
    await database.write(lambda tx: add_alone(tx, "open", "rcp_a"))
    assert await due(database) == ["open"]


async def test_a_dead_agency_with_a_long_queue_delays_nobody(database: Database) -> None:
    """Five hundred older deliveries of one agency take its own places only; the others are all there."""

    def rows(tx: Connection) -> None:
        for number in range(500):
            add_alone(tx, f"dead{number:03}", "rcp_a", next_at=START - 60 * SECOND, urgency=Urgency.IMMINENT)
        for number in range(20):
            add_alone(tx, f"live{number:02}", "rcp_b" if number % 2 else "rcp_c")

    await database.write(rows)
    found = Counter(name[:4] for name in await due(database, limit=64, each=8))
    assert found == {"dead": 8, "live": 16}
    busy = Counter(name[:4] for name in await due(database, limit=64, each=8, held={("rcp_a", Lane.IMMINENT): 8}))
    assert busy == {"live": 16}
    half_busy = {("rcp_a", Lane.IMMINENT): 5, ("rcp_b", Lane.FIRST): 6}
    half = Counter(name[:4] for name in await due(database, limit=64, each=8, held=half_busy))
    assert half == {"dead": 3, "live": 10}


async def test_a_small_batch_is_not_filled_by_those_who_may_have_nothing(database: Database) -> None:
    """With one place free and the dead agency's places all taken, the place goes to somebody else."""

    def rows(tx: Connection) -> None:
        for number in range(30):
            add_alone(tx, f"dead{number}", "rcp_a", urgency=Urgency.IMMINENT, next_at=START - 60 * SECOND)
        add_alone(tx, "live", "rcp_b")

    await database.write(rows)
    assert await due(database, limit=1, each=8, held={("rcp_a", Lane.IMMINENT): 8}) == ["live"]
    busy = {("rcp_a", Lane.IMMINENT): 8, ("rcp_c", Lane.FIRST): 3}
    assert await due(database, limit=1, each=8, held=busy) == ["live"]


@pytest.mark.parametrize(
    ("state", "lease", "waits"),
    [
        (DeliveryState.QUEUED, None, True),
        (DeliveryState.RETRYING, None, True),
        (DeliveryState.CLAIMED, "lse_1", True),
        (DeliveryState.CANCELLED, "lse_1", True),
        (DeliveryState.CANCELLED, None, False),
        (DeliveryState.DELIVERED, None, False),
        (DeliveryState.EXHAUSTED, None, False),
        (DeliveryState.REFUSED, None, False),
    ],
)
async def test_a_delivery_waits_for_what_came_before_it_in_its_matter(
    database: Database, state: DeliveryState, lease: str | None, *, waits: bool
) -> None:
    """A recall is held back while its disclosure may still arrive: waiting, in flight, or cancelled in flight."""

    def rows(tx: Connection) -> None:
        add_record(tx, "tip_1")
        for recipient in ("rcp_a", "rcp_b"):
            matter = (f"mat_{recipient}", "tip_1", recipient)
            add_matter(tx, *matter)
            add_delivery(tx, f"second_{recipient}", matter, sequence=2, urgency=Urgency.IMMINENT)
        far = START + 900 * SECOND
        first = {"state": state, "lease": lease, "lease_until": lease and far, "next_at": far}
        add_delivery(tx, "first_rcp_a", ("mat_rcp_a", "tip_1", "rcp_a"), **first)

    await database.write(rows)
    assert await due(database) == (["second_rcp_b"] if waits else ["second_rcp_a", "second_rcp_b"])


async def test_a_claim_has_one_winner_among_many(migrated_url: str) -> None:
    """Six processes claim sixty deliveries at once, over and over: each delivery is claimed exactly once."""
    first = open_database(migrated_url)
    others = [open_database(migrated_url) for _ in range(5)] if "postgresql" in migrated_url else []

    def rows(tx: Connection) -> None:
        for name in "ab":
            add_recipient(tx, f"rcp_{name}")
        for number in range(60):
            add_alone(tx, f"{number}", "rcp_a" if number % 2 else "rcp_b")

    await first.write(rows)

    async def worker(name: str, database: Database) -> list[str]:
        def story(tx: Connection) -> list[str]:
            batch = choose(tx, START + SECOND, Room(Places(7, {}), 50), Pace()).deliveries
            until = START + 5 * SECOND
            return [one.id for one in batch if deliveries.claim(tx, one, f"lse_{name}_{one.id}", until)]

        won: list[str] = []
        for _ in range(12):
            won += await database.write(story)
        return won

    databases = [first, *others] if others else [first] * 6
    won = await asyncio.gather(*(worker(str(number), one) for number, one in enumerate(databases)))
    assert Counter(name for names in won for name in names) == Counter(str(number) for number in range(60))
    stored = await first.write(lambda tx: [deliveries.load(tx, str(number)) for number in range(60)])
    assert {one.attempts for one in stored if one is not None} == {1}
    for database in (first, *others):
        await database.close()


async def test_a_lease_that_was_lost_renews_nothing(database: Database) -> None:
    """Renewing by an old token leaves the new holder's lease alone; by the right one it moves."""
    one = await database.write(lambda tx: add_alone(tx, "x", "rcp_a"))
    assert await database.write(lambda tx: deliveries.claim(tx, one, "lse_new", START + 5 * SECOND))
    assert not await database.write(lambda tx: deliveries.claim(tx, one, "lse_other", START + 5 * SECOND))
    await database.write(lambda tx: deliveries.renew(tx, ["lse_old"], START + 60 * SECOND))
    assert [one.id for one in await expired(database, 6)] == ["x"]
    await database.write(lambda tx: deliveries.renew(tx, ["lse_new"], START + 60 * SECOND))
    assert await expired(database, 6) == []


async def expired(database: Database, seconds: int) -> list[deliveries.Delivery]:
    """The deliveries whose holder is silent so many seconds after START."""
    return await database.write(lambda tx: deliveries.expired(tx, START + seconds * SECOND, 10))


async def test_a_lease_runs_out_at_its_own_second_and_also_after_a_cancellation(database: Database) -> None:
    """A claimed delivery and one that was cancelled in flight are both found once their lease is over, not before."""

    def rows(tx: Connection) -> None:
        lease = {"lease": "lse_1", "lease_until": START + 5 * SECOND}
        add_alone(tx, "claimed", "rcp_a", state=DeliveryState.CLAIMED, **lease)
        add_alone(tx, "cancelled", "rcp_a", state=DeliveryState.CANCELLED, **lease | {"lease": "lse_2"})
        add_alone(tx, "free", "rcp_a", state=DeliveryState.CANCELLED)

    await database.write(rows)
    assert await expired(database, 4) == []
    assert {one.id for one in await expired(database, 5)} == {"claimed", "cancelled"}


async def test_the_next_moment_to_look_is_the_earliest_of_what_waits(database: Database) -> None:
    """Only deliveries that wait count; with none the answer is that there is no such moment."""
    assert await database.read(deliveries.next_due_at) is None
    far = START + 60 * SECOND

    def rows(tx: Connection) -> None:
        add_alone(tx, "done", "rcp_a", state=DeliveryState.DELIVERED)
        add_alone(tx, "later", "rcp_a", next_at=far + SECOND)
        add_alone(tx, "sooner", "rcp_b", next_at=far, state=DeliveryState.RETRYING)

    await database.write(rows)
    assert await database.read(deliveries.next_due_at) == far
    assert await database.read(deliveries.unfinished) == 2
