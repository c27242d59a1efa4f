"""What the public is told of two bundles over one quarter: as decided, and as the other shipped one would decide."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.calling import Api, tip
from tests.support.fictional import agency
from tests.support.service import LIBRARY, bundle
from tiprouter.domain.quarter import Quarter
from tiprouter.domain.redaction import stamp
from tiprouter.domain.suppression import TOTAL
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.policy.engine import Engine
from tiprouter.storage import quarters
from tiprouter.storage.quarters import NOBODY, Decided
from tiprouter.workflow.comparing import compared
from tiprouter.workflow.simulation import simulate

OURS, OTHER = bundle().digest, bundle("tip-sharing").digest
CLOSED = datetime(2026, 5, 1, tzinfo=UTC)

Cells = dict[str, dict[tuple[str, ...], int | None]]


def cells(tables: list[dict[str, Any]]) -> Cells:
    """Counts by table and place."""
    return {table["name"]: {tuple(one["at"]): one["count"] for one in table["cells"]} for table in tables}


def decided(name: str, outcome: str, count: int) -> Decided:
    """Decisions without facts, made under a bundle."""
    return Decided(bundle(name).digest, name, outcome, "law_enforcement", None, count)


async def _quarter(either: Api) -> None:
    """Tips of relatives and about children, with agencies of two kinds."""
    await either.service.enrol(agency())
    await either.service.enrol(agency(RecipientKind.CHILD_PROTECTION))
    for number in range(6):
        body = tip(f"T-{number}", received_at=stamp(either.service.clock.at - timedelta(minutes=5)))
        body["signaler"] = {"relationship": "family_friend"}
        if number % 3 == 0:
            body["persons"] = [body["persons"][0] | {"age": {"years": 14}}]
        answer = await either.send("intake", "POST", "/v1/tips", body)
        assert answer.status_code == 201, answer.text


async def test_two_bundles_stand_side_by_side_in_one_answer(either: Api) -> None:
    """As decided, as the other would have decided, and what moved: the counts of a simulation of every decision."""
    await _quarter(either)
    service = either.service
    asked = await simulate(service.database, service.desk, Engine(bundle("tip-sharing")), None, every=True)
    assert any(before != after for before, after in asked.outcomes), "the two bundles differ on this quarter"
    rows = await service.database.read(lambda tx: quarters.decided(tx, Quarter.of(service.clock.at)))
    tables = compared(rows, LIBRARY, 1)
    told = cells(tables)
    assert list(told) == ["decisions", "decisions_compared", "decisions_changed"]
    for (before, after), count in asked.outcomes.items():
        assert told["decisions_changed"][before, after] == count
    assert told["decisions_changed"][TOTAL, TOTAL] == asked.simulated + asked.without_facts
    for name, axis in (("decisions", 0), ("decisions_compared", 1)):
        for at, both in told["decisions_changed"].items():
            if at[1 - axis] == TOTAL:
                assert told[name][at[axis], TOTAL] == both
    axes = {(table["name"], axis["name"]): axis["bundles"] for table in tables for axis in table["axes"]}
    assert axes["decisions", "outcome"] == [{"digest": OURS, "name": "survivor-led"}]
    assert axes["decisions_compared", "compared_outcome"] == [{"digest": OTHER, "name": "tip-sharing"}]
    assert axes["decisions_changed", "compared_outcome"] == axes["decisions_compared", "compared_outcome"]
    assert axes["decisions", "recipient_kind"] == []


async def test_everybody_may_read_it_and_no_small_count_is_in_it(either: Api) -> None:
    """Without a credential, in the same answer as the other tables, and what is few is withheld in all three."""
    await _quarter(either)
    either.service.clock.at = CLOSED
    answer = await either.send(None, "GET", "/v1/transparency?quarter=2026-Q1")
    assert answer.status_code == 200, answer.text
    tables = answer.json()["tables"]
    told = cells(tables)
    assert list(told) == ["records", "disclosures", "decisions", "decisions_compared", "decisions_changed"]
    for name in ("decisions", "decisions_compared", "decisions_changed"):
        assert all(count is None or count == 0 or count >= 11 for count in told[name].values())
        assert None in told[name].values()
    assert any(axis["bundles"] == [{"digest": OTHER, "name": "tip-sharing"}] for axis in tables[3]["axes"])


def test_the_bundle_that_decided_least_is_compared_with() -> None:
    """Whoever asks has no choice; and what that bundle decided itself stands as decided, with facts or without."""
    rows = [decided("survivor-led", "WITHHOLD", 40), decided("tip-sharing", "DISCLOSE", 30)]
    told = cells(compared(rows, LIBRARY, 11))
    assert told["decisions_changed"]["WITHHOLD", NOBODY] == 40
    assert told["decisions_changed"]["DISCLOSE", "DISCLOSE"] == 30
    assert told["decisions_compared"]["DISCLOSE", "law_enforcement"] == 30
    turned = [decided("survivor-led", "WITHHOLD", 30), decided("tip-sharing", "DISCLOSE", 40)]
    assert cells(compared(turned, LIBRARY, 11))["decisions_changed"]["WITHHOLD", "WITHHOLD"] == 30


def test_a_quarter_without_decisions_has_empty_tables() -> None:
    """Nothing was decided: a total of zero, and the bundle that it is compared with."""
    tables = compared([], LIBRARY, 11)
    assert cells(tables)["decisions"] == {(TOTAL, TOTAL): 0}
    assert [axis["bundles"] for axis in tables[0]["axes"]] == [[], []]
    assert [axis["places"] for axis in tables[0]["axes"]] == [[], []]
    assert tables[1]["axes"][0]["bundles"] == [{"digest": OURS, "name": "survivor-led"}]
