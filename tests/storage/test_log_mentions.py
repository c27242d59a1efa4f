"""Questions about the log's entries agree with a plain look at every entry, and read no more than they may."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fictional import agency
from tests.support.long_history import lengthen
from tests.support.long_questions import indexes, settle
from tests.support.service import START, Service
from tiprouter import ids
from tiprouter.audit.entry import compose, heading, parse
from tiprouter.audit.kinds import Kind
from tiprouter.domain.lateness import Lateness
from tiprouter.domain.vocabulary import Basis, RecipientKind
from tiprouter.storage import log_mentions, migrations, treelog
from tiprouter.storage.database import Transaction
from tiprouter.storage.log_mentions import Mentions, Sought, found, words_of
from tiprouter.storage.log_reasons import Besides
from tiprouter.storage.searches import agencies_of
from tiprouter.storage.tables import decisions
from tiprouter.storage.treelog import EntryRow, Told
from tiprouter.workflow.publish import mention_the_rest

_IDS = {prefix: [ids.mint(prefix, START, bytes([n]) * 10) for n in range(6)] for prefix in ("tip", "rcp", "dec", "dis")}
OUTCOMES, BUNDLES = ("WITHHOLD", "DISCLOSE", "REPORT"), ("ab" * 32, "cd" * 32)


def _entry(chance: random.Random, at: datetime) -> bytes:
    pick = {prefix: chance.choice(some) for prefix, some in _IDS.items()}
    role = chance.choice(("router", "intake", "auditor"))
    kind = chance.choice((Kind.DECISION, Kind.DISCLOSURE_MADE, Kind.ACCESS, Kind.LOG_ALIVE))
    bodies: dict[Kind, dict[str, Any]] = {
        Kind.DECISION: {
            "decision": pick["dec"],
            "record": pick["tip"],
            "recipient": pick["rcp"],
            "outcome": chance.choice(OUTCOMES),
            "bundle": chance.choice(BUNDLES),
        },
        Kind.DISCLOSURE_MADE: {
            "disclosure": pick["dis"],
            "decisions": chance.sample(_IDS["dec"], 2),
            "record": pick["tip"],
        },
        Kind.ACCESS: {"role": role, "what": "record", "subject": pick["tip"]},
        Kind.LOG_ALIVE: {"size": chance.randrange(100)},
    }
    return compose(
        kind, at, chance.randbytes(16), bodies[kind] | {"actor": chance.choice(("cal_x", "cal_y")), "actor_class": role}
    )


def mention(tx: Transaction, told: Sequence[Told]) -> None:
    """As the sequencer does it."""
    mentions = Mentions()
    mentions.gather(told)
    mentions.keep(tx, told[0][0])


def store(tx: Transaction, count: int, chance: random.Random) -> list[EntryRow]:
    """So many entries beyond those that are there, by batches of unlike sizes, their times in some disorder."""
    rows: list[EntryRow] = []
    first = treelog.size(tx)
    while len(rows) < count:
        told: list[Told] = []
        for _ in range(min(chance.choice((1, 7, 300)), count - len(rows))):
            at = START + timedelta(seconds=len(rows) + len(told), milliseconds=chance.randrange(-9_000, 9_000))
            entry = _entry(chance, at)
            told.append((first + len(rows) + len(told), *heading(entry), entry))
        treelog.add_entries(tx, told)
        mention(tx, told)
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        rows += [EntryRow(index, kind, epoch + timedelta(microseconds=at_), entry) for index, kind, at_, entry in told]
    return rows


def _texts(value: Any, member: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Every text of an entry's body, with the member that holds it."""
    if isinstance(value, str):
        yield member, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, name)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def meets(row: EntryRow, sought: Sought) -> bool:
    """Whether an entry is what is sought, by parsing it whole."""
    entry = parse(row.entry)
    texts = set(_texts(json.loads(row.entry)["body"]))
    named = {value for _, value in texts}
    return (
        (not sought.kinds or entry.kind in sought.kinds)
        and named.issuperset(sought.ids)
        and texts.issuperset(sought.members)
        and (sought.actor is None or ("actor", sought.actor) in texts)
        and (sought.since is None or entry.at >= sought.since)
        and (sought.until is None or entry.at < sought.until)
        and (sought.below is None or row.index < sought.below)
    )


def walked(tx: Transaction, sought: Sought, start: int | None, limit: int) -> list[int]:
    """The indices of a walk from page to page."""
    told: list[int] = []
    for _ in range(10_000):
        page = found(tx, sought, start, limit)
        assert len(page.rows) <= limit
        told += [row.index for row in page.rows]
        if page.following is None:
            return told
        assert start is None or (page.following > start if sought.upward else page.following < start)
        start = page.following
    raise AssertionError("it never ends")


def _beyond(index: int, start: int | None, sought: Sought) -> bool:
    return start is None or (index > start if sought.upward else index < start)


_maybe_ids = st.lists(st.sampled_from([one for some in _IDS.values() for one in some]), max_size=2, unique=True)
_moments = st.none() | st.integers(-20, 750).map(lambda second: START + timedelta(seconds=second))
_members = st.sampled_from(
    [
        (),
        (("outcome", "WITHHOLD"),),
        (("actor_class", "auditor"),),
        (("bundle", BUNDLES[0]), ("outcome", "REPORT")),
        (("outcome", "HOLD_ERROR"),),
    ]
)
QUESTIONS = st.builds(
    Sought,
    kinds=st.lists(st.sampled_from(["decision", "access", "disclosure.made", "notice"]), max_size=3, unique=True).map(
        tuple
    ),
    ids=_maybe_ids.map(tuple),
    members=_members,
    since=_moments,
    until=_moments,
    below=st.none() | st.integers(0, 750),
    upward=st.booleans(),
)


@pytest.mark.parametrize(("bundles", "window"), [(40, 2_000), (1, 3), (2, 40)])
async def test_questions_agree_with_a_plain_look_at_every_entry(
    service: Service, bundles: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked, from wherever, in either direction, however little a page may read: each entry once."""
    monkeypatch.setattr(log_mentions, "BUNDLES_MAX", bundles)
    monkeypatch.setattr(log_mentions, "WINDOW", window)
    await service.sequencer.drain()
    begun = await service.database.read(lambda tx: treelog.page(tx, None, None, 1_000))
    chance = random.Random(7)  # noqa: S311 - no secret
    rows = [*reversed(begun), *await service.database.write(lambda tx: store(tx, 700, chance))]

    def look(tx: Transaction) -> None:
        @settings(max_examples=25, deadline=None)
        @given(sought=QUESTIONS, start=st.none() | st.integers(0, 750), limit=st.sampled_from([9, 200]))
        def agree(sought: Sought, start: int | None, limit: int) -> None:
            expected = [row.index for row in rows if _beyond(row.index, start, sought) and meets(row, sought)]
            assert walked(tx, sought, start, limit) == (expected if sought.upward else expected[::-1])

        agree()

    await service.database.read(look)


TOLD_BY_ROWS: Sequence[Sought] = (
    Sought(besides=Besides(recipient_kind=RecipientKind.LAW_ENFORCEMENT)),
    Sought(besides=Besides(recipient_kind=RecipientKind.CLEARINGHOUSE), kinds=("decision",), upward=True),
    Sought(besides=Besides(jurisdiction="US-TX"), members=(("outcome", "WITHHOLD"),)),
    Sought(besides=Besides(policy="core.consent")),
    Sought(besides=Besides(basis=Basis.CONSENT), upward=True),
    Sought(besides=Besides(RecipientKind.LAW_ENFORCEMENT, basis=Basis.CONSENT)),
    Sought(actor="tiprouter", upward=True),
    Sought(actor="nobody"),
)


@pytest.mark.parametrize(("bundles", "window", "arms"), [(40, 2_000, 32), (1, 50, 32), (1, 50, 0)])
async def test_what_rows_know_of_entries_agrees_with_a_plain_look(
    service: Service, bundles: int, window: int, arms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By kind and place of agencies, policy and basis of decisions, by whom: each entry once, however few are read."""
    await lengthen(service, 400, 60)
    await service.database.write(settle)
    await service.sequencer.drain()
    monkeypatch.setattr(log_mentions, "BUNDLES_MAX", bundles)
    monkeypatch.setattr(log_mentions, "WINDOW", window)
    monkeypatch.setattr(log_mentions, "ARMS_MAX", arms)

    def look(tx: Transaction) -> None:
        rows = [treelog.entry(tx, index) for index in range(treelog.size(tx))]
        decided = {row.id: row._asdict() for row in tx.execute(sa.select(decisions))}
        for sought in TOLD_BY_ROWS:
            toward = None
            if sought.besides.recipient_kind is not None or sought.besides.jurisdiction is not None:
                toward = set(agencies_of(tx, sought.besides.recipient_kind, sought.besides.jurisdiction))
            expected = [
                row.index for row in rows if row and meets(row, sought) and _tells(row, sought.besides, toward, decided)
            ]
            assert walked(tx, sought, None, 9) == (expected if sought.upward else expected[::-1]), sought
            assert expected or sought.actor == "nobody", sought

    await service.database.read(look)


async def test_few_agencies_lead_each_by_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of a kind, named far from each other: both are found, from either end, a bundle at a time."""
    monkeypatch.setattr(log_mentions, "BUNDLES_MAX", 1)
    first, second = [(await service.enrol(agency(RecipientKind.CHILD_PROTECTION))).recipient.id for _ in range(2)]
    await service.sequencer.drain()
    chance = random.Random(13)  # noqa: S311 - no secret

    def tell(tx: Transaction) -> list[int]:
        named = [row.index for row in treelog.page(tx, None, None, 1_000) if first.encode() in row.entry]
        named += [row.index for row in treelog.page(tx, None, None, 1_000) if second.encode() in row.entry]
        for one in (second, first):
            store(tx, 300, chance)
            entry = compose(Kind.RECIPIENT_CHANGED, START, chance.randbytes(16), {"recipient": one, "actor": "cal_x"})
            told = [(treelog.size(tx), *heading(entry), entry)]
            treelog.add_entries(tx, told)
            mention(tx, told)
            named.append(told[0][0])
        return sorted(named)

    named = await service.database.write(tell)
    assert len({index // 256 for index in named}) == 3, "in bundles of their own"
    for upward in (True, False):
        sought = Sought(besides=Besides(recipient_kind=RecipientKind.CHILD_PROTECTION), upward=upward)
        found_ = await service.database.read(partial(walked, sought=sought, start=None, limit=9))
        assert found_ == (named if upward else named[::-1])


def _tells(row: EntryRow, asked: Besides, toward: set[str] | None, decided: dict[str, dict[str, Any]]) -> bool:
    named = {value for _, value in _texts(json.loads(row.entry)["body"])}
    of = [decided[one] for one in named if one in decided]
    met = [
        one
        for one in of
        if (asked.policy is None or asked.policy in one["policies"])
        and (asked.basis is None or (one["facts"] or {}).get("basis") == asked.basis)
    ]
    return (toward is None or bool(named & toward)) and (asked.policy is asked.basis is None or bool(met))


async def test_what_an_entry_names_is_what_its_parsed_body_holds(service: Service) -> None:
    """Words found by their place in the bytes are the ids and members that parsing finds; none is made up."""
    chance = random.Random(11)  # noqa: S311 - no secret
    prefixes = ("tip_", "case_", "rcp_", "dec_", "dis_", "msg_")
    for row in await service.database.write(lambda tx: store(tx, 300, chance)):
        texts = set(_texts(json.loads(row.entry)["body"]))
        expected = {f'"{value}"' for _, value in texts if value.startswith(prefixes)}
        expected |= {f'"{m}":"{v}"' for m, v in texts if m in {"actor", "actor_class", "bundle", "outcome"}}
        assert words_of(row.entry) == expected


def test_an_id_of_every_kind_is_a_word_and_of_no_other_kind() -> None:
    """Rule 1: wherever it stands in an entry, as many as there are; not what only looks like one."""
    kept = [f'"{ids.mint(prefix, START, bytes(10))}"' for prefix in ("tip", "case", "rcp", "dec", "dis", "msg")]
    others = [f'"{ids.mint(prefix, START, bytes(10))}"' for prefix in ("prs", "att", "ack", "xtip", "tips")]
    loose = [kept[0][:-2] + '"', kept[0][1:], kept[0][:-1], kept[0].lower(), '"tip_"', '"ase' + kept[1][5:]]
    for one in kept:
        assert words_of(one.encode()) == {one}
        assert words_of(f'{{"a":{one},"b":[{one},{one}]}}'.encode()) == {one}
    assert words_of(",".join(kept + others).encode()) == set(kept)
    for one in loose:
        assert words_of(f"0123456789{one} ".encode()) == set()


@pytest.mark.usefixtures("nothing_lent")
async def test_no_question_reads_the_whole_log(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the database's own plan, each statement of each question goes by an index of what is large."""
    chance = random.Random(3)  # noqa: S311 - no secret
    monkeypatch.setattr(log_mentions, "WINDOW", 200)  # a small part of the log, as it is of a long one
    await service.database.write(lambda tx: store(tx, 3_000, chance))
    await service.database.write(lambda tx: tx.exec_driver_sql("ANALYZE"))
    alone: Sequence[Sought] = (
        Sought(),
        Sought(kinds=("decision",)),
        Sought(kinds=("decision", "access")),
        Sought(ids=(_IDS["tip"][0],)),
        Sought(ids=(_IDS["tip"][0], _IDS["dec"][0])),
        Sought(members=(("outcome", "HOLD_ERROR"),)),
        Sought(ids=(_IDS["rcp"][0],), members=(("outcome", "REPORT"),), kinds=("decision",)),
        Sought(since=START + timedelta(seconds=10), until=START + timedelta(seconds=90)),
        Sought(kinds=("access",), until=START + timedelta(seconds=90)),
        Sought(upward=True, below=5_000),
        Sought(actor="cal_x"),
        Sought(actor="nobody", kinds=("access",)),
        Sought(besides=Besides(policy="no.such")),
        Sought(besides=Besides(recipient_kind=RecipientKind.LAW_ENFORCEMENT)),
        Sought(besides=Besides(jurisdiction="US-TX"), members=(("outcome", "REPORT"),)),
        Sought(besides=Besides(lateness=Lateness.LATE, now=START)),
    )
    for kind in (RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION):
        await service.enrol(agency(kind))
    for sought in alone:
        ask = partial(found, sought=sought, after=None, limit=50)
        used = await service.database.read(partial(indexes, ask=ask))
        # The registry is small, and no disclosure and no decision is stored here.
        large = [
            one
            for one in used
            if not one.endswith(("log_spans", "recipients", "disclosures", "deliveries", "decisions"))
        ]
        whole = [one for one in large if one.startswith(("SCAN", "Seq Scan"))]
        assert not whole, (sought, used)


async def test_a_log_from_before_is_found_in_the_same_way(service: Service) -> None:
    """What the migration makes of entries that are there is what the sequencer stores of new ones."""
    chance = random.Random(5)  # noqa: S311 - no secret
    await service.sequencer.drain()
    await service.database.write(lambda tx: treelog_only(tx, chance))
    tables = ("SELECT word, bundle FROM log_mentions", "SELECT bundle, first_at, last_at FROM log_spans")
    await migrations.migrate(service.url, "0019")
    await migrations.migrate(service.url)
    made = [sorted(map(tuple, await service.rows(one))) for one in tables]

    def again(tx: Transaction) -> None:
        for table in ("log_mentions", "log_spans"):
            tx.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - our words
        rows = treelog.between(tx, 0, treelog.size(tx))
        log_mentions.add_missing(
            tx, [(index, *heading(bytes(entry)), bytes(entry)) for index, entry in enumerate(rows)]
        )

    await service.database.write(again)
    assert [sorted(map(tuple, await service.rows(one))) for one in tables] == made
    assert len(made[0]) > len(made[1]) > 1


async def test_what_a_keeper_of_before_kept_less_of_is_added_at_the_start(service: Service) -> None:
    """It went on within a bundle and beyond, and wrote down no actor: from there on everything is kept anew."""
    chance = random.Random(17)  # noqa: S311 - no secret
    await service.sequencer.drain()
    await service.database.write(lambda tx: store(tx, 900, chance))
    query = "SELECT word, bundle FROM log_mentions"
    whole = sorted(map(tuple, await service.rows(query)))

    def forget(tx: Transaction, since: int) -> None:
        tx.exec_driver_sql(f"DELETE FROM log_mentions WHERE bundle >= {since} AND word LIKE '\"actor\":%%'")  # noqa: S608 - a number

    for since, first in ((4, 0), (1, 0), (2, 1), (3, 2)):
        await service.database.write(partial(forget, since=since))
        missing = sorted(map(tuple, await service.rows(query))) != whole
        assert missing is (since < 4)
        if missing:
            assert await service.database.read(log_mentions.begun) == first * 256
        await service.database.write(mention_the_rest)
        assert sorted(map(tuple, await service.rows(query))) == whole


def treelog_only(tx: Transaction, chance: random.Random) -> None:
    """Entries as they were stored before."""
    entries = [_entry(chance, START + timedelta(seconds=number)) for number in range(600)]
    told = [(index, *heading(one), one) for index, one in enumerate(entries, treelog.size(tx))]
    treelog.add_entries(tx, told)


@pytest.mark.parametrize("index", [10_000_128, 10_000_129], ids=["of a new bundle", "of a bundle begun before"])
async def test_entries_that_name_nothing_are_stored(service: Service, index: int) -> None:
    """A batch without a single word to keep, such as a log's first entry alone, does not stop the sequencer."""
    nothing = compose(Kind.LOG_ALIVE, START, bytes(16), {"size": 0})
    told = [(index, *heading(nothing), nothing)]

    def story(tx: Transaction) -> bool:
        mention(tx, told)
        return found(tx, Sought(ids=(_IDS["tip"][0],)), None, 5).rows == ()

    assert await service.database.write(story)
