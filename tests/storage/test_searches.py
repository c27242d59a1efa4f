"""A question reads no more than its window, and walking its pages still finds every row exactly once."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.long_history import lengthen
from tests.support.long_questions import filling, indexes
from tests.support.service import START, Service
from tiprouter.domain.lateness import Lateness, lateness_of
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Basis, Outcome, RecipientKind, RecordKind
from tiprouter.storage import log_places, reasons, searches
from tiprouter.storage.searches import Keys, Search
from tiprouter.storage.tables import decisions, deliveries, disclosures
from tiprouter.workflow.searching import decisions_found

SEARCHES: list[Search] = [
    Search(),
    Search(outcome=Outcome.WITHHOLD),
    Search(outcome=Outcome.HOLD_REVIEW, recipient_kind=RecipientKind.CLEARINGHOUSE),
    Search(recipient_kind=RecipientKind.LAW_ENFORCEMENT),
    Search(recipient_kind=RecipientKind.LAW_ENFORCEMENT, current=True, record_kind=RecordKind.TIP),
    Search(since=START + timedelta(seconds=1), until=START + timedelta(seconds=3)),
    Search(policy="core.consent"),
    Search(basis=Basis.CONSENT),
    Search(basis=Basis.NONE, outcome=Outcome.WITHHOLD),
]


def walked(found: Callable[[str | None], Keys]) -> tuple[list[str], int]:
    """All ids of a walk from page to page, and how many pages it took."""
    keys: list[str] = []
    after, pages = None, 0
    while pages < 10_000:
        page = found(after)
        keys += page.ids
        pages += 1
        if page.after is None:
            return keys, pages
        assert after is None or page.after < after
        after = page.after
    raise AssertionError("it never ends")


@pytest.mark.parametrize(("window", "arms"), [(3, 32), (40, 32), (40, 0), (2_000, 32)])
async def test_a_walk_finds_every_row_once_whatever_the_window(
    service: Service, window: int, arms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short pages and empty ones on the way; together they are what a plain look at every row finds."""
    await lengthen(service, 400, 60)
    monkeypatch.setattr(searches, "WINDOW", window)
    monkeypatch.setattr(searches, "ARMS_MAX", arms)
    monkeypatch.setattr(reasons, "_AT_ONCE", 7)

    def look(tx: Any) -> None:  # noqa: ANN401 - a transaction
        everything = [row._asdict() for row in tx.execute(sa.select(decisions).order_by(decisions.c.id.desc()))]
        agencies = {kind: set(searches.agencies_of(tx, kind, None)) for kind in RecipientKind}
        for wanted in SEARCHES:
            expected = [row["id"] for row in everything if _meets(row, wanted, agencies)]
            found, pages = walked(lambda after, wanted=wanted: searches.decision_keys(tx, wanted, after, 20, START))  # type: ignore[misc] # a default is no argument
            assert found == expected, wanted
            assert pages >= len(expected) // 20

    await service.database.read(look)


def _meets(row: dict[str, Any], wanted: Search, agencies: dict[RecipientKind, set[str]]) -> bool:
    return (
        (wanted.outcome is None or row["outcome"] == wanted.outcome)
        and (wanted.recipient_kind is None or row["recipient_id"] in agencies[wanted.recipient_kind])
        and (wanted.current is None or row["current"] is wanted.current)
        and (wanted.since is None or row["decided_at"] >= wanted.since)
        and (wanted.until is None or row["decided_at"] < wanted.until)
        and (wanted.policy is None or wanted.policy in row["policies"])
        and (wanted.basis is None or (row["facts"] or {}).get("basis") == wanted.basis)
    )


async def test_a_page_looks_at_no_more_than_its_window(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that nothing names: the first page is empty, says where to go on, and has looked at a window alone."""
    await lengthen(service, 300, 30)
    monkeypatch.setattr(searches, "WINDOW", 50)
    oldest = await service.database.read(
        lambda tx: list(tx.execute(sa.select(decisions.c.id).order_by(decisions.c.id.desc()).limit(50)).scalars())[-1]
    )
    for wanted in (Search(policy="no.such"), Search(lateness=Lateness.LATE)):
        ask = partial(searches.decision_keys, wanted=wanted, after=None, limit=20, now=START)
        assert await service.database.read(ask) == Keys((), oldest), wanted


async def test_decisions_told_late_are_walked_by_keys(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decision whose disclosure is late, never arrived or was in time, once; no table of rows is read whole."""
    await lengthen(service, 400, 60)
    for statement in (*filling("sqlite" if service.url.startswith("sqlite") else "postgresql"), "ANALYZE"):
        await service.database.write(lambda tx, statement=statement: tx.exec_driver_sql(statement))  # type: ignore[misc] # a default is no argument
    now = service.clock.at + timedelta(days=30)
    rests: dict[str, Lateness | None] = {}
    for decision, state, deadline, finished in await service.database.read(_delivered):
        rests[decision] = lateness_of(DeliveryState(state), deadline, finished, now)
    assert {Lateness.IN_TIME, Lateness.LATE, Lateness.NEVER} <= set(rests.values())
    monkeypatch.setattr(searches, "WINDOW", 40)
    for wanted in Lateness:
        ask = partial(searches.decision_keys, wanted=Search(lateness=wanted), limit=20, now=now)

        def look(tx: Any, ask: Any = ask) -> tuple[list[str], int]:  # noqa: ANN401 - a transaction
            return walked(lambda after: ask(tx, after=after))

        found, _ = await service.database.read(look)
        assert found == sorted((one for one, how in rests.items() if how is wanted), reverse=True), wanted

        def planned(tx: Any, ask: Any = ask) -> list[str]:  # noqa: ANN401 - a transaction
            if tx.dialect.name == "postgresql":
                tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # so few rows are read whole, where they may be
            return indexes(tx, partial(ask, after=None))

        used = await service.database.read(planned)
        assert not [one for one in used if one.startswith(("SCAN", "Seq Scan")) and "recipients" not in one], used


def _delivered(tx: Any) -> list[Any]:  # noqa: ANN401 - a transaction
    """Each decision that a disclosure rests on, and the delivery of it."""
    columns = (disclosures.c.decisions, deliveries.c.state, deliveries.c.deadline, deliveries.c.finished_at)
    query = sa.select(*columns).join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
    return [(one, *rest) for named, *rest in tx.execute(query) for one in named]


async def test_the_place_in_the_log_is_told_of_as_many_as_may_be_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one moment has more entries than are read for a page, some rows stay without their index; none is wrong."""
    await lengthen(service, 120, 30)
    await service.sequencer.drain()
    asked = (Search(), None, 100, service.clock.at)
    whole = await service.database.read(lambda tx: decisions_found(tx, *asked))
    assert len(whole.indexes) == 100
    monkeypatch.setattr(log_places, "ENTRIES_MAX", 10)
    some = await service.database.read(lambda tx: decisions_found(tx, *asked))
    assert len(some.indexes) <= 10
    assert some.indexes.items() <= whole.indexes.items()


@pytest.mark.parametrize(
    ("state", "deadline", "finished", "expected"),
    [
        (DeliveryState.DELIVERED, 0, 0, Lateness.IN_TIME),
        (DeliveryState.DELIVERED, 0, 1, Lateness.LATE),
        (DeliveryState.EXHAUSTED, 9, 1, Lateness.NEVER),
        (DeliveryState.REFUSED, 9, 1, Lateness.NEVER),
        (DeliveryState.CANCELLED, -9, 1, None),
        (DeliveryState.QUEUED, 9, None, None),
        (DeliveryState.RETRYING, 0, None, Lateness.NEVER),
    ],
)
def test_lateness(state: DeliveryState, deadline: int, finished: int | None, expected: Lateness | None) -> None:
    """At its deadline is in time; refused or past its deadline is never; cancelled or waiting is neither."""
    ended = None if finished is None else START + timedelta(seconds=finished)
    assert lateness_of(state, START + timedelta(seconds=deadline), ended, START) is expected
