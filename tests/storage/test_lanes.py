"""What stands first in each lane, whatever else waits (rules 1-4 of the module)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.storage.bare import add_alone, add_recipient
from tests.support.fictional import agency
from tests.support.service import START
from tiprouter.domain.breaker import Breaker, BreakerState
from tiprouter.domain.lanes import Lane, Places, Room
from tiprouter.domain.pace import Pace
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage import lanes, lines, registry
from tiprouter.storage.database import Database, open_database
from tiprouter.storage.deliveries import claim_all
from tiprouter.storage.deliveries_table import deliveries
from tiprouter.workflow.choosing import BEYOND, PROBES, Chosen, choose

SECOND = timedelta(seconds=1)
RETRIED: dict[str, Any] = {"state": DeliveryState.RETRYING, "attempts": 3}
NOW = START + SECOND

pytestmark = pytest.mark.usefixtures("nothing_lent")


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated database with two agencies, on each of the two kinds."""
    opened = open_database(migrated_url)
    for name in ("rcp_a", "rcp_b"):
        await opened.write(lambda tx, name=name: add_recipient(tx, name))  # type: ignore[misc]  # bound now
    yield opened
    await opened.close()


async def chosen(database: Database, places: int = 8, each: int = 4, pace: int = 0) -> Chosen:
    """What is chosen now."""
    return await database.write(lambda tx: choose(tx, NOW, Room(Places(places, {}), each), Pace(pace)))


async def names(database: Database, places: int = 8, each: int = 4, pace: int = 0) -> list[str]:
    """The same, by name."""
    return [one.id for one in (await chosen(database, places, each, pace)).deliveries]


def backlog(tx: Connection, count: int, **changes: Any) -> None:  # noqa: ANN401 - columns of the row
    """So much that one agency has been waiting for longest."""
    for number in range(count):
        add_alone(tx, f"old{number:03}", "rcp_a", next_at=START - 60 * SECOND, **changes)


async def test_a_backlog_of_retries_hides_no_first_attempt_and_no_danger(database: Database) -> None:
    """Far more retries are due than are looked at: each other lane shows what it has, and goes before them."""

    def rows(tx: Connection) -> None:
        backlog(tx, BEYOND + 20, **RETRIED)
        add_alone(tx, "first", "rcp_b")
        add_alone(tx, "danger", "rcp_b", urgency=Urgency.IMMINENT)

    await database.write(rows)
    assert (await names(database))[:3] == ["danger", "first", "old000"]
    assert "first" in await names(database, places=2)


@pytest.mark.parametrize("changes", [{}, RETRIED], ids=["first", "retry"])
async def test_a_backlog_of_one_agency_hides_no_other_agency_in_its_lane(
    database: Database, changes: dict[str, Any]
) -> None:
    """A lane's window is full of one agency's: the other agency's longest due is found nevertheless."""

    def rows(tx: Connection) -> None:
        backlog(tx, BEYOND + 20, **changes)
        add_alone(tx, "other", "rcp_b", **changes)

    await database.write(rows)
    found = await names(database, places=8, each=4)
    assert "other" in found
    assert len(found) == (3 if changes else 5)  # of `each`, retries take half


async def test_what_waits_for_a_shut_line_is_parked_once_and_let_go(database: Database) -> None:
    """By an open breaker nothing standard goes; parked rows are in no lane; released ones are again."""

    def shut(tx: Connection) -> None:
        backlog(tx, 6)
        add_alone(tx, "danger", "rcp_a", urgency=Urgency.IMMINENT)
        (line,) = lines.at_once(tx, ["rcp_a"]).values()
        later = NOW + 60 * SECOND
        breaker = Breaker(BreakerState.OPEN, 5, 1, START, later)
        lines.save(tx, [lines.Line("rcp_a", line.revision, breaker, None, release=False)])

    await database.write(shut)
    first = await chosen(database)
    assert [one.id for one in first.deliveries] == ["danger"]
    assert first.parked == 6
    assert (await chosen(database)).parked == 0
    assert await database.write(lambda tx: lanes.release(tx, "rcp_a", 4)) == 4
    assert await database.write(lambda tx: lanes.release(tx, "rcp_a", 4)) == 2
    assert (await chosen(database)).parked == 6


async def test_what_is_parked_makes_way_without_asking_for_every_recipient(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shut line's backlog fills the window: it is parked, and the next look shows what was behind it."""

    def shut(tx: Connection) -> None:
        backlog(tx, 8 + BEYOND)
        add_alone(tx, "other", "rcp_b")
        lines.at_once(tx, ["rcp_a"])
        breaker = Breaker(BreakerState.OPEN, 5, 1, START, NOW + 60 * SECOND)
        lines.save(tx, [lines.Line("rcp_a", 1, breaker, None, release=False)])

    await database.write(shut)
    monkeypatch.delattr(lanes, "heads")
    first = await chosen(database)
    assert (first.deliveries, first.parked) == ([], 8 + BEYOND)
    assert await names(database) == ["other"]


async def test_one_probe_goes_when_the_pause_is_over_and_it_was_never_tried(database: Database) -> None:
    """Everything is parked: still the line is probed, by one delivery, and not by the one that failed before."""

    def shut(tx: Connection) -> None:
        backlog(tx, 3, **RETRIED)
        add_alone(tx, "new", "rcp_a")
        lines.at_once(tx, ["rcp_a"])
        breaker = Breaker(BreakerState.OPEN, 5, 1, START, START)
        lines.save(tx, [lines.Line("rcp_a", 1, breaker, None, release=False)])
        tx.execute(deliveries.update().values(parked=True))

    await database.write(shut)
    found = await chosen(database)
    assert [one.id for one in found.deliveries] == ["new"]
    assert found.probes == {"new"}


async def test_lines_for_which_nothing_waits_hide_no_probe_and_so_many_begin(database: Database) -> None:
    """More dead lines than are probed at once have nothing to send: the one that has is probed nevertheless."""

    def shut(tx: Connection) -> None:
        names = [f"rcp_old{number:02}" for number in range(PROBES + 5)]
        for name in names:
            add_recipient(tx, name)
        for number, name in enumerate([*names, "rcp_a", "rcp_b"]):
            lines.at_once(tx, [name])
            breaker = Breaker(BreakerState.OPEN, 5, 1, START, START - (60 - number) * SECOND)
            lines.save(tx, [lines.Line(name, 1, breaker, None, release=False)])
        add_alone(tx, "later", "rcp_b")
        add_alone(tx, "sooner", "rcp_a")
        tx.execute(deliveries.update().values(parked=True))

    await database.write(shut)
    for probes, expected in ((0, []), (1, ["sooner"]), (PROBES, ["later", "sooner"])):
        found = await database.write(
            lambda tx, probes=probes: choose(tx, NOW, Room(Places(8, {}), 4), Pace(0), probes)  # type: ignore[misc]  # bound now
        )
        assert sorted(found.probes) == expected
        assert sorted(found.lines) == [{"sooner": "rcp_a", "later": "rcp_b"}[one] for one in reversed(expected)]


async def test_a_line_that_a_claim_does_not_change_is_not_written(database: Database) -> None:
    """Without a pace nothing is remembered of an attempt that began; with one it is."""
    await database.write(lambda tx: add_alone(tx, "one", "rcp_a"))
    assert list((await chosen(database)).lines) == []
    assert list((await chosen(database, pace=10)).lines) == ["rcp_a"]


async def test_a_pace_is_one_for_all_claims_and_danger_is_exempt(database: Database) -> None:
    """Ten a minute, one at once: the second claim finds the first one's mark; imminent danger goes and counts."""

    def rows(tx: Connection) -> None:
        backlog(tx, 4)
        add_alone(tx, "danger", "rcp_a", urgency=Urgency.IMMINENT)

    await database.write(rows)

    async def one() -> list[str]:
        def story(tx: Connection) -> list[str]:
            found = choose(tx, NOW, Room(Places(8, {}), 4), Pace(10))
            lines.save(tx, list(found.lines.values()))
            taken = [one.id for one in found.deliveries]
            tx.execute(deliveries.delete().where(deliveries.c.id.in_(taken)))
            return taken

        return await database.write(story)

    assert await one() == ["danger"]
    assert await one() == []
    free_at = Pace(10).spend(None, NOW)
    (line,) = (await database.write(lambda tx: lines.at_once(tx, ["rcp_a"]))).values()
    assert line.free_at == free_at


async def taken(database: Database, each: int = 8) -> list[str]:
    """What one more claim begins, under leases; the house itself has no pace."""

    def story(tx: Connection) -> list[str]:
        found = choose(tx, NOW, Room(Places(16, {}), each), Pace())
        lines.save(tx, list(found.lines.values()))
        wanted = [(one, f"lse_{one.id}") for one in found.deliveries]
        return sorted(claim_all(tx, wanted, NOW + SECOND)) if wanted else []

    return await database.write(story)


async def test_an_agency_that_takes_so_many_at_once_gets_no_more_from_all_claims_together(database: Database) -> None:
    """Two at once: two claims begin two; danger goes beside them, as many; the other agency knows nothing of it."""

    def rows(tx: Connection) -> None:
        registry.put(tx, agency(id="rcp_a", revision=2, max_at_once=2), START, "mrk_max_at_once=2")
        backlog(tx, 5)
        for number in range(3):
            add_alone(tx, f"danger{number}", "rcp_a", urgency=Urgency.IMMINENT)
            add_alone(tx, f"other{number}", "rcp_b")

    await database.write(rows)
    assert await taken(database) == ["danger0", "danger1", "old000", "old001", "other0", "other1", "other2"]
    assert await taken(database) == [], "another worker counts what the first one holds"
    done = deliveries.update().where(deliveries.c.id == "old000").values(lease=None, state=DeliveryState.DELIVERED)
    await database.write(lambda tx: tx.execute(done))
    assert await taken(database) == ["old002"]
    assert await taken(database, each=1) == []


async def test_a_limit_wider_than_a_worker_s_places_leaves_those_as_they_are(database: Database) -> None:
    """What the agency can take protects the agency, a worker's places protect the others."""

    def rows(tx: Connection) -> None:
        registry.put(tx, agency(id="rcp_a", revision=2, max_at_once=50), START, "mrk_max_at_once=50")
        backlog(tx, 5)

    await database.write(rows)
    assert await taken(database, each=3) == ["old000", "old001", "old002"]


async def test_an_agency_s_own_pace_stands_in_place_of_the_house_s(database: Database) -> None:
    """Five a second, one at once, where the house has no limit; and where the house is slower it is not asked."""

    def rows(tx: Connection) -> None:
        registry.put(tx, agency(id="rcp_a", revision=2, max_per_second=5), START, "mrk_max_per_second=5")
        backlog(tx, 5)

    await database.write(rows)
    assert await taken(database) == ["old000"]
    (line,) = (await database.write(lambda tx: lines.at_once(tx, ["rcp_a"]))).values()
    assert line.free_at == NOW + SECOND / 5

    def later(tx: Connection) -> list[str]:
        return [one.id for one in choose(tx, NOW + SECOND / 5, Room(Places(8, {}), 4), Pace(1)).deliveries]

    assert await database.write(later) == ["old001"]


async def of_some(database: Database, *known: str, lane: Lane = Lane.FIRST, **held: int) -> list[str]:
    """What is chosen by eight places, in order, where these answered lately; so many attempts to others are held."""
    mine = {(name, lane): count for name, count in held.items()}
    room = Room(Places(8, {}), 4, mine, known=frozenset(known), strange={lane: len(held)})
    found = await database.write(lambda tx: choose(tx, NOW, room, Pace()))
    return [one.id for one in found.deliveries]


@pytest.mark.parametrize("changes", [{}, RETRIED], ids=["first", "retry"])
async def test_a_backlog_of_strangers_stands_before_nobody_who_answers(
    database: Database, changes: dict[str, Any]
) -> None:
    """One attempt to each of two strangers, and to who answered lately as many as it may have, though all is newer."""
    await database.write(lambda tx: add_recipient(tx, "rcp_c"))

    def rows(tx: Connection) -> None:
        backlog(tx, BEYOND + 20, **changes)
        add_alone(tx, "strange", "rcp_c", next_at=START - 61 * SECOND, **changes)
        for number in range(6):
            add_alone(tx, f"other{number}", "rcp_b", **changes)

    await database.write(rows)
    mine, lane = [f"other{number}" for number in range(2 if changes else 4)], Lane.RETRY if changes else Lane.FIRST
    assert await of_some(database) == ["strange", "old000", "other0"], "nobody is known: one for each"
    assert await of_some(database, "rcp_b") == ["strange", *mine, "old000"]
    assert await of_some(database, "rcp_b", lane=lane, rcp_a=1) == [*mine, "strange"]
    assert await of_some(database, "rcp_b", lane=lane, rcp_a=1, rcp_c=1) == mine
    everybody = await of_some(database, "rcp_a", "rcp_b", "rcp_c")
    assert everybody[:3] == ["strange", "old000", "old001"], "of those that answered the longest due goes first"


async def test_strangers_have_a_place_of_their_own_where_everybody_else_crowds(database: Database) -> None:
    """Far more is due for who answers than there are places for: one stranger is tried all the same."""

    def rows(tx: Connection) -> None:
        backlog(tx, 7)
        add_alone(tx, "new", "rcp_b")
        add_alone(tx, "newer", "rcp_b")

    await database.write(rows)
    room = Room(Places(4, {}), 4, known=frozenset({"rcp_a"}))
    found = await database.write(lambda tx: choose(tx, NOW, room, Pace()))
    assert [one.id for one in found.deliveries] == ["new", "old000", "old001", "old002"]


async def test_danger_asks_nobody_whether_they_answered(database: Database) -> None:
    """To a stranger as many go at once as to anybody."""

    def rows(tx: Connection) -> None:
        for number in range(4):
            add_alone(tx, f"danger{number}", "rcp_a", urgency=Urgency.IMMINENT)

    await database.write(rows)
    assert len(await of_some(database, rcp_b=1)) == 4


async def test_what_waits_for_a_shut_line_is_parked_though_no_stranger_may_go(database: Database) -> None:
    """Those that failed lately are strangers; with all their places taken what is theirs still leaves the lane."""

    def shut(tx: Connection) -> None:
        backlog(tx, 6)
        (line,) = lines.at_once(tx, ["rcp_a"]).values()
        breaker = Breaker(BreakerState.OPEN, 5, 1, START, NOW + 60 * SECOND)
        lines.save(tx, [lines.Line("rcp_a", line.revision, breaker, None, release=False)])

    await database.write(shut)
    room = Room(Places(4, {}), 4, known=frozenset(), strange={Lane.FIRST: 2})
    assert (await database.write(lambda tx: choose(tx, NOW, room, Pace()))).parked == 6


async def plans(database: Database) -> list[str]:
    """How the database goes about a window and the heads of a lane."""
    said: list[str] = []

    def listen(_a: object, cursor: Any, statement: str, parameters: Any, _b: object, _c: object) -> None:  # noqa: ANN401 - the event's own
        said.append(statement)
        kept.append(parameters)

    kept: list[Any] = []

    def story(tx: Connection) -> list[str]:
        sa.event.listen(tx, "before_cursor_execute", listen)
        lanes.windows(tx, NOW, dict.fromkeys(Lane, 5))
        lanes.heads(tx, NOW, Lane.RETRY, (), 5)
        lanes.heads_of(tx, NOW, Lane.RETRY, ("rcp_a", "rcp_b"), 5)
        lanes.probes(tx, NOW, 5)
        sa.event.remove(tx, "before_cursor_execute", listen)
        explain = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("SET enable_seqscan = off")  # a table of a few rows is read whole otherwise
        return [
            " | ".join(str(row[-1]) for row in tx.exec_driver_sql(explain + one, values))
            for one, values in zip(said, kept, strict=True)
        ]

    return await database.write(story)


async def test_each_lane_is_read_by_its_own_index_in_order(database: Database) -> None:
    """No step of a claim's look reads a table whole or sorts a backlog."""
    await database.write(lambda tx: backlog(tx, 3))
    windows, heads, heads_of, probes = await plans(database)
    assert "ix_deliveries_lane" in windows
    assert "ix_deliveries_lane_each" in heads
    assert "ix_deliveries_parked" in probes
    assert "ix_deliveries_lane_each" in heads_of
    for plan in (windows, heads, heads_of, probes):
        assert "SCAN deliveries" not in plan.replace("USING", "")
        assert "Seq Scan on deliveries" not in plan
    assert "TEMP B-TREE" not in windows
