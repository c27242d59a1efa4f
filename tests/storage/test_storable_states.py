"""The database holds a row in the states that its table of transitions may store, and in no other."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.storage.test_migrations import CHECKED, asked, checks
from tests.support.fictional import grant, tip
from tests.support.service import START, Service
from tiprouter import domain
from tiprouter.domain.states import REVIEW_TRANSITIONS, ReviewEvent, ReviewState, moves
from tiprouter.domain.storable import STORABLE
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import columns, consents, migrations
from tiprouter.storage.columns import metadata, one_of
from tiprouter.storage.database import open_database
from tiprouter.workflow.consenting import Whose

Transitions = Mapping[tuple[StrEnum, StrEnum], StrEnum]
NEVER = {"given", "expired"}
COLUMNS = "id, person_id, revision, sealed, made_at, state"
BEFORE = (
    "INSERT INTO persons (id, external, created_at) VALUES ('per_1', 'x', 1)",
    f"INSERT INTO consents ({COLUMNS}) VALUES ('cns_1', 'per_1', 1, '', 1, 'pending')",  # noqa: S608 - our words
)


def tables() -> dict[type[StrEnum], Transitions]:
    """Every table of transitions that the domain has, by its states."""
    found: dict[type[StrEnum], Transitions] = {}
    for module in pkgutil.iter_modules(domain.__path__):
        for name, value in vars(importlib.import_module(f"{domain.__name__}.{module.name}")).items():
            if name.endswith("TRANSITIONS"):
                found[type(next(iter(value.values())))] = value
    return found


def test_every_table_of_transitions_says_what_may_be_stored() -> None:
    """Rule 3: none is left out, and none of them has a state that nothing leads to."""
    found = tables()
    assert STORABLE.keys() == found.keys()
    for states, table in found.items():
        unstored = {one.value for one in states} - {one.value for one in STORABLE[states]}
        assert unstored == (NEVER if states is ConsentPhase else set()), states
        begins = {before for _, before in table} - set(table.values())
        assert {*table.values(), *begins, next(iter(states))} == set(states), states


async def test_each_constraint_allows_what_its_table_may_store(database_url: str) -> None:
    """Rules 1, 2: constraint by constraint, against the tables of transitions themselves."""
    await migrations.migrate(database_url)
    allowed, found = await asked(database_url, checks), tables()
    compared = {place: words for place, words in CHECKED.items() if words in found}
    assert len(compared) >= len(found)
    for place, words in compared.items():
        table = found[words]
        held = {state.value for pair in table.items() for state in (pair[0][1], pair[1])}
        assert allowed[place] == held - (NEVER if words is ConsentPhase else set()), place


def test_a_state_that_nothing_leads_to_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: a table that loses its only way to a state loses the word in the constraint."""
    ways = {edge: after for edge, after in REVIEW_TRANSITIONS.items() if after is not ReviewState.PROPOSED}
    assert "'proposed'" in str(one_of("state", ReviewState).sqltext)
    less = {ReviewState: frozenset(ways.values()) | {ReviewState.OPEN}}
    monkeypatch.setattr("tiprouter.domain.storable.STORABLE", less)
    assert "'proposed'" not in str(columns.one_of("state", ReviewState).sqltext)


async def test_a_consent_is_stored_in_a_phase_that_may_be_stored(database_url: str) -> None:
    """What was only heard, and what time alone makes of it, is refused by the database itself; all else is taken."""
    await migrations.migrate(database_url)
    database = open_database(database_url)
    await database.write(lambda tx: tx.exec_driver_sql(BEFORE[0]))
    refused = set()
    for number, phase in enumerate(ConsentPhase):
        insert = BEFORE[1].replace("'pending'", f"'{phase.value}'").replace("cns_1", f"cns_{number}")
        try:
            await database.write(partial(Connection.exec_driver_sql, statement=insert))
        except sa.exc.IntegrityError:
            refused.add(phase.value)
    await database.close()
    assert refused == NEVER


async def test_consents_from_before_keep_their_keys_and_their_index(database_url: str) -> None:
    """Up and down again over a row: it stays, points to its person, and is found by index; the older words return."""
    await migrations.migrate(database_url, "0023")
    database = open_database(database_url)

    def shape(tx: Connection) -> tuple[Any, ...]:
        seen = sa.inspect(tx)
        (key,), index = seen.get_foreign_keys("consents"), seen.get_indexes("consents")
        row = tuple(tx.exec_driver_sql("SELECT id, person_id, revision, made_at, state FROM consents").one())
        return (
            row,
            key["name"],
            key["referred_table"],
            [one["name"] for one in index],
            seen.get_pk_constraint("consents"),
        )

    def fill(tx: Connection) -> None:
        for statement in BEFORE:
            tx.exec_driver_sql(statement)

    await database.write(fill)
    before, words = await database.read(shape), await database.read(_phases)
    await migrations.migrate(database_url)
    await migrations.migrate(database_url, "0024")
    assert await database.read(shape) == before
    assert words - await database.read(_phases) == NEVER
    await migrations.migrate(database_url, "0023")
    assert (await database.read(shape), await database.read(_phases)) == (before, words)
    await database.close()


def _phases(tx: Connection) -> set[str]:
    """The phases that the database takes."""
    (check,) = (
        one for one in sa.inspect(tx).get_check_constraints("consents") if one["name"] == "ck_consents_state_known"
    )
    return {one.value for one in ConsentPhase if f"'{one.value}'" in check["sqltext"]}


async def test_erasing_a_person_erases_consents_of_every_phase(service: Service) -> None:
    """By the table of transitions: whatever phase a row was stored in, and those from before there were phases."""
    accepted = await service.accept(tip())
    person_id = accepted.stored.persons[0]
    await service.consent(Whose(person_id=person_id), grant(RecipientKind.LAW_ENFORCEMENT))
    table = metadata.tables["consents"]
    stored = sorted(one.value for one in STORABLE[ConsentPhase])

    def fill(tx: Connection) -> None:
        for number, phase in enumerate([*stored, None]):
            row = {"id": f"cns_{number}", "person_id": person_id, "revision": 1, "sealed": b"x", "made_at": START}
            tx.execute(table.insert(), row | {"state": phase})

    def erase(tx: Connection) -> set[tuple[str, str]]:
        consents.erase(tx, service.desk.vault, person_id, START)
        return {(row.state, "kept" if row.sealed else "gone") for row in tx.execute(sa.select(table))}

    await service.database.write(fill)
    assert await service.database.write(erase) >= {("erased", "gone")}
    rows = await service.rows("select state from consents where state <> 'erased' or state is null")
    assert rows == []


def test_an_event_moves_rows_as_the_table_says() -> None:
    """Each state to where the event takes it, and none that it cannot happen to."""
    found = moves(REVIEW_TRANSITIONS, ReviewEvent.CLAIM)
    assert found == dict.fromkeys((ReviewState.OPEN, ReviewState.CLAIMED, ReviewState.PROPOSED), ReviewState.CLAIMED)
    which, after = columns.moved(metadata.tables["reviews"].c.state, found)
    spelt: Callable[[Any], str] = lambda one: str(one.compile(compile_kwargs={"literal_binds": True}))  # noqa: E731 - said once
    assert spelt(which) == "reviews.state IN ('open', 'claimed', 'proposed')"
    assert spelt(after).count("THEN 'claimed'") == len(found)
