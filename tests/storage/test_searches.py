"""A question reads no more than its window, and walking its pages still finds every row exactly once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.long_history import lengthen
from tests.support.service import START, Service
from tiprouter.domain.lateness import Lateness, lateness_of
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Basis, Outcome, RecipientKind, RecordKind
from tiprouter.storage import log_places, searches
from tiprouter.storage.searches import Keys, Search
from tiprouter.storage.tables import decisions
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
    monkeypatch.setattr(searches, "_AT_ONCE", 7)

    def look(tx: Any) -> None:  # noqa: ANN401 - a transaction
        everything = [row._asdict() for row in tx.execute(sa.select(decisions).order_by(decisions.c.id.desc()))]
        agencies = {kind: set(searches.agencies_of(tx, kind, None)) for kind in RecipientKind}
        for wanted in SEARCHES:
            expected = [row["id"] for row in everything if _meets(row, wanted, agencies)]
            found, pages = walked(lambda after, wanted=wanted: searches.decision_keys(tx, wanted, after, 20))  # type: ignore[misc] # a default is no argument
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
    page = await service.database.read(lambda tx: searches.decision_keys(tx, Search(policy="no.such"), None, 20))
    assert page == Keys((), oldest)


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
