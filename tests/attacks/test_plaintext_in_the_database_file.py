"""Somebody carries the database away: no name, no word and no number of anybody may stand in it, nor in the logs."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.fictional import agency, grant, person, tip
from tests.support.service import Service, open_service
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain.record import Age, Contact, Guardian, Identity, Location, Person, Record, Statement
from tiprouter.domain.vocabulary import AcknowledgementStatus, Answer, Category, RecipientKind, RecordKind
from tiprouter.errors import TiprouterError
from tiprouter.storage import answers
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.answers import Asked
from tiprouter.storage.columns import metadata
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.dispatch import Ready, finish
from tiprouter.workflow.happening import Actor

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
BORN = date(2011, 7, 23)


class Markers:
    """Words that occur nowhere else, each remembered."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, what: str) -> str:
        """A new one."""
        self.made.append(f"Mrk{len(self.made):03}{what.title().replace('_', '')}Zq")
        return self.made[-1]

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Each in the forms that a careless program would write it in."""
        for marker in (*self.made, BORN.isoformat()):
            raw = marker.encode()
            yield from ((marker, raw), (marker, raw.hex().encode()), (marker, marker.encode("utf-16-le")))
            # The middle of any base64 of a text that holds the marker, at each of the three alignments.
            for shift in range(3):
                yield marker, base64.b64encode(b"\0" * shift + raw)[4:-4]


def personal(mark: Markers) -> Record:
    """A case with something in every field that can hold personal data."""

    def words(part: type[Any], *others: str) -> dict[str, Any]:
        return {name: mark(name) for name in part.__slots__ if name not in others}

    def somebody(ref: str, **changes: Any) -> Person:  # noqa: ANN401 - fields of a person
        return person(
            ref,
            identity=Identity(**words(Identity, "gender")),
            contact=Contact(**words(Contact)),
            health=mark("health"),
            immigration=mark("immigration"),
            **changes,
        )

    persons = (
        somebody(mark("ref")),
        somebody(mark("ref"), age=Age(date_of_birth=BORN), guardians=(Guardian(mark("guardian"), Answer.NO),)),
    )
    return tip(
        *persons,
        kind=RecordKind.CASE,
        source=mark("source"),
        external_id=mark("external"),
        statements=tuple(Statement(mark("statement"), (persons[0].ref,), category) for category in (*Category, None)),
        location=Location(**words(Location, "persons")),
    )


async def answered(service: Service, ready: Ready, attempted: Attempted) -> None:
    """What came of one attempt."""
    await service.database.write(lambda tx: finish(tx, service.desk, ready, attempted))


async def stray(service: Service, entry: bytes) -> None:
    """Write something where it does not belong."""
    await service.database.write(lambda tx: tx.execute(metadata.tables["outbox"].insert(), {"entry": entry}).close())


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def a_whole_life(service: Service, mark: Markers) -> bytes:
    """Accept, revise, consent, fail with an answer that quotes, deliver, acknowledge, withdraw; everything sent."""
    police = await service.enrol(agency(LE))
    await service.enrol(agency(PROVIDER))
    case = personal(mark)
    accepted = await service.put_case(case, None)
    await service.accept(replace(case, kind=RecordKind.TIP))
    given = await service.consent(Whose(source=case.source, ref=case.persons[0].ref), grant(LE, PROVIDER))
    sent = b""
    for ready in await service.claim():
        sent += ready.envelope.body.body
        attempted = Attempted(AttemptResult.HTTP_ERROR, 500, None, 5, "203.0.113.9", ready.envelope.body.body[-1024:])
        await answered(service, ready, attempted)
    await service.put_case(replace(case, statements=(Statement(mark("changed"), (case.persons[0].ref,)),)), 1)
    service.clock.forward(minutes=5)
    for ready in await service.deliver():
        sent += ready.envelope.body.body
    mine = next(one for one in service.sent if police.recipient.id.encode() in one.body.body)
    disclosure_id = json.loads(mine.body.body)["data"]["disclosure_id"]
    words = Words(mark("case_number"), mark("reason"), mark("question"))
    officer = Actor("cal_agency", "agency", police.recipient.id)
    await service.database.write(
        lambda tx: acknowledge(tx, service.desk, officer, disclosure_id, AcknowledgementStatus.REJECTED, words)
    )
    asked = Asked("cal_intake", "POST /v1/tips", "0" * 64, "1" * 64)
    said = mark("answer").encode()
    await service.database.write(
        lambda tx: answers.remember(tx, service.desk.vault, asked, accepted.stored.id, (201, said), service.clock())
    )
    with pytest.raises(TiprouterError):
        await service.accept(replace(case, kind=RecordKind.TIP))
    unsound = replace(case, kind=RecordKind.TIP, external_id=mark("external"), persons=(case.persons[0],) * 2)
    with pytest.raises(TiprouterError) as refused:
        await service.accept(unsound)
    assert not any(marker in str(refused.value) for marker in mark.made)
    await service.withdraw(given.consent.id)
    await service.deliver()
    await service.check_house()
    return sent


def found(haystacks: dict[str, bytes], mark: Markers) -> list[tuple[str, str]]:
    """Which marker stands where."""
    return [(name, marker) for name, data in haystacks.items() for marker, form in mark.forms() if form in data]


async def rows_of(service: Service) -> dict[str, bytes]:
    """Every table, every column, as bytes."""

    def dump(tx: sa.Connection) -> dict[str, bytes]:
        tables = {}
        for name, table in metadata.tables.items():
            cells = [cell for row in tx.execute(sa.select(table)) for cell in row]
            tables[name] = b"\n".join(cell if isinstance(cell, bytes) else repr(cell).encode() for cell in cells)
        return tables

    return await service.database.read(dump)


async def test_nothing_personal_stands_in_rows_files_or_logs(
    service: Service, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """After a whole life no marker is found in any table, file of the data folder, or printed or captured log."""
    mark = Markers()
    sent = await a_whole_life(service, mark)
    assert sum(marker.encode() in sent for marker in mark.made) >= 10, "the markers did not travel: the test is blind"
    printed = capsys.readouterr()
    haystacks = await rows_of(service)
    haystacks["printed"] = (printed.out + printed.err + caplog.text).encode()
    haystacks |= files_of(service.folder)
    assert found(haystacks, mark) == []
    assert any("checkpoint" in name for name in haystacks)
    if service.url.startswith("sqlite"):
        assert len(haystacks["tiprouter.db"]) + len(haystacks["tiprouter.db-wal"]) > 50_000


async def test_nothing_personal_stands_in_the_file_after_a_clean_end(tmp_path: Path) -> None:
    """The file that is left when the service has stopped and its write-ahead log is gone."""
    mark = Markers()
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await a_whole_life(service, mark)
    assert found(files_of(tmp_path), mark) == []


async def test_a_word_in_the_clear_would_be_found(service: Service) -> None:
    """The test of the test: one marker written where it does not belong is found, in plain and in base64."""
    mark = Markers()
    name = mark("second_name")

    plain, encoded = json.dumps({"name": name}).encode(), base64.b64encode(f"x{name}y".encode())
    for careless in (plain, encoded, name.encode().hex().encode(), name.encode("utf-16")):
        await stray(service, careless)
        assert ("outbox", name) in found(await rows_of(service), mark)
        await service.database.write(lambda tx: tx.execute(metadata.tables["outbox"].delete()).close())
        assert found(await rows_of(service), mark) == []
