"""A thousand words of people go through everything there is; then somebody searches whatever the house leaves behind.

Every field that can hold personal data holds a marker. They are told, revised, decided about, sent, quoted, rejected,
held, called about, reviewed, asked for again, withdrawn, erased and exported; they come in bad requests and in stories
that fail, and a process is killed while it writes them. Searched are the database's files with write-ahead log and
shared memory (of PostgreSQL the database's folder and its write-ahead log), every row, the audit log's folder and its
export, temporary files, log lines, metrics, the API's document and every answer to whoever may not know.
The real processes are sent theirs over HTTP by `python -m tests.support.markers` (`test_markers_through_processes.py`).
"""

import asyncio
import base64
import contextlib
import gzip
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import httpx2
import pytest
import sqlalchemy as sa
import structlog

from tests.api.calling import running
from tests.api.calling import tip as tip_body
from tests.attacks.test_moved_seals import sealed_in
from tests.attacks.test_plaintext_in_the_database_file import rows_of
from tests.support import postgres
from tests.support.fictional import agency, tip
from tests.support.marked import LE, PROVIDER, granted, marked, somebody
from tests.support.markers import FORMS, STEM, Marks, files_of, found
from tests.support.service import Service, open_service
from tiprouter.api import documentation, metrics
from tiprouter.api.app import assemble
from tiprouter.cli import logs
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain.discharge import CallOutcome
from tiprouter.domain.record import Age, Statement
from tiprouter.domain.recovery import RetryReason
from tiprouter.domain.vocabulary import AcknowledgementStatus, Category, RecordKind, ReviewAnswer, Role
from tiprouter.errors import TiprouterError
from tiprouter.storage import answers, records
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.answers import Asked
from tiprouter.storage.columns import metadata
from tiprouter.storage.duties import CallWords, LetterWords
from tiprouter.storage.vault import DataKey, Place
from tiprouter.workflow import erasing, evidence, holding, questions, recovery, reviewing
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.dispatch import finish
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.publish import bring_up

ROOT = Path(__file__).parents[2]
ONE, OTHER = Actor("cal_one", "reviewer"), Actor("cal_other", "reviewer")
CASES = 9
FILLED = {
    *("revisions", "disclosures", "acknowledgements", "attempts", "answers", "reviews", "holds", "retries"),
    *("consents", "signing_keys", "duty_calls", "duty_letters"),
}
"""Tables that this run must have written something sealed into, or it would be blind."""
BY_PROCESSES = {
    *("accounts", "client_keys", "duty_requests", "grants", "questions", "secrets", "subject_notices", "suspensions"),
}
"""Tables that this run need not fill: the run through real processes fills every one, or fails."""


async def told(service: Service, story: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - the story's own
    """A story by somebody of the staff."""
    return await service.database.write(lambda tx: story(tx, service.desk, ONE, *arguments))


def killed_while_writing(url: str, folder: Path) -> None:
    """A process that accepts tips is killed with SIGKILL in the middle of one."""
    child = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", "tests.support.marked_child", url, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "src:."},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout is not None
    for _ in range(3):
        assert child.stdout.readline() == b"accepted\n"
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    child.stdout.close()


async def a_case(service: Service, mark: Marks) -> str:
    """One case's life up to its deliveries; its id."""
    case = marked(mark, RecordKind.CASE)
    accepted = await service.put_case(case, None)
    await service.accept(replace(marked(mark, RecordKind.TIP), source=case.source))
    await service.consent(Whose(source=case.source, ref=case.persons[0].ref), granted(mark))
    await service.put_case(replace(case, statements=(Statement(mark("changed"), (case.persons[0].ref,)),)), 1)
    asked = Asked("cal_intake", "POST /v1/tips", f"{len(mark.made):064}", "1" * 64)
    body = mark("answer").encode()
    await service.database.write(
        lambda tx: answers.remember(tx, service.desk.vault, asked, accepted.stored.id, (201, body), service.clock.at)
    )
    await told(service, holding.hold, accepted.stored.id, mark("hold"))
    for wrong in (replace(case, persons=(case.persons[0],) * 2), replace(case, kind=RecordKind.TIP)):
        with pytest.raises(TiprouterError) as refused:
            await service.put_case(wrong, 1)
        logging.getLogger("test").error("refused", exc_info=refused.value)
    return accepted.stored.id


async def agencies_answer(service: Service, mark: Marks, police: str) -> bytes:
    """Attempts that fail and quote, then succeed; the agency's words; another try with a note. What was sent."""
    sent = b""
    for ready in await service.claim():
        body = ready.envelope.body.body
        sent += body
        attempted = Attempted(AttemptResult.HTTP_ERROR, 500, None, 5, "203.0.113.9", body[-1024:])
        await service.database.write(partial(_finish, service, ready, attempted))
    service.clock.forward(minutes=5)
    sent += b"".join([one.envelope.body.body for one in await service.deliver()])
    officer, asking = Actor("cal_agency", "agency", police), AcknowledgementStatus.NEEDS_INFORMATION
    for envelope in [one for one in service.sent if police.encode() in one.body.body][:4]:
        disclosure_id = json.loads(envelope.body.body)["data"]["disclosure_id"]
        said = Words(mark("case_number"), mark("reason"), mark("question"))
        await service.database.write(
            lambda tx, on=disclosure_id, said=said: acknowledge(tx, service.desk, officer, on, asking, said)  # type: ignore[misc] # defaults are no arguments
        )
    for row in (await service.rows("select id from deliveries where state = 'delivered'"))[:3]:
        wish = recovery.Wish(RetryReason.RECIPIENT_LOST_IT, mark("note"))
        await told(service, recovery.retry, row.id, wish)
    return sent


def _finish(service: Service, ready: Any, attempted: Attempted, tx: sa.Connection) -> str:  # noqa: ANN401 - what was claimed
    return finish(tx, service.desk, ready, attempted)


async def people_write(service: Service, mark: Marks) -> int:
    """Calls, letters and rationales; how many words that made."""
    before = len(mark.made)
    for row in await service.rows("select id from duties where current and phase = 'open'"):
        words = CallWords(mark("caller"), mark("number"), mark("spoken_to"), mark("reference"), mark("note"))
        called = evidence.Called(CallOutcome.NO_ANSWER, service.clock.at, words)
        with contextlib.suppress(TiprouterError):
            await told(service, evidence.record_call, row.id, called)
        letter = LetterWords(mark("sent_by"), mark("reference"), mark("note"))
        with contextlib.suppress(TiprouterError):
            await told(service, evidence.record_letter, row.id, evidence.Wrote(service.clock.at, letter))
    for row in await service.rows("select id, record_id from questions where state = 'open'"):
        stored = await service.database.read(lambda tx, on=row.record_id: records.load(tx, service.desk.vault, on))  # type: ignore[misc] # a default is no argument
        assert stored is not None
        first = stored.record.persons[0].ref
        await told(service, questions.answer, row.id, Statement(mark("said"), (first,), Category.INCIDENT))
    witness = somebody(mark, age=Age(years=15), role=Role.WITNESS)
    await service.accept(tip(witness, source=mark("source"), external_id=mark("external")))
    for row in (await service.rows("select id from reviews where state = 'open'"))[:4]:
        await told(service, reviewing.claim, row.id)
        with contextlib.suppress(TiprouterError):
            await told(service, reviewing.decide, row.id, reviewing.Said(ReviewAnswer.WITHHOLD, mark("rationale")))
    return len(mark.made) - before


async def answers_to_others(service: Service, mark: Marks) -> dict[str, bytes]:
    """Bad requests, and requests by whoever may not know, full of markers; every answer, metrics, the document."""
    given: dict[str, bytes] = {"document": documentation.text(assemble()).encode()}
    async with running(service) as api:
        word = mark("request")
        bad: list[Any] = [
            tip_body(signaler=word),
            tip_body(persons=[{"ref": word, "role": word}]),
            tip_body() | {word: word},
            tip_body(received_at=word),
            [word],
        ]
        for number, body in enumerate(bad):
            given[f"bad body {number}"] = _all_of(await api.send("intake", "POST", "/v1/tips", body))
        given["no JSON"] = _all_of(await api.send("intake", "POST", "/v1/tips", content=f'{{"{word}'.encode()))
        given["unknown caller"] = _all_of(
            await api.send(None, "GET", "/v1/notices", headers={"Authorization": f"Bearer {word}"})
        )
        given["no such path"] = _all_of(await api.send("operator", "GET", f"/v1/{word}/{word}?{word}={word}"))
        given["no such record"] = _all_of(await api.send("reviewer", "GET", f"/v1/records/{word}"))
        given["bad query"] = _all_of(
            await api.send("auditor", "GET", f"/v1/disclosures?recipient_id={word}&limit={word}")
        )
        given["bad key"] = _all_of(
            await api.send("intake", "POST", "/v1/tips", tip_body(), headers={"Idempotency-Key": f"{word} {word}"})
        )
        (row,) = await service.rows("select id from records order by id desc limit 1")
        for role in ("operator", "auditor", "counsel"):
            given[f"a record for {role}"] = _all_of(await api.send(role, "GET", f"/v1/records/{row.id}"))
        for path in ("/v1/notices", "/v1/disclosures", "/v1/decisions", "/v1/audit/entries"):
            given[f"{path} for auditors"] = _all_of(await api.send("auditor", "GET", path))
    with metrics.exposed(service.database, service.desk, "127.0.0.1", _free_port()) as port:
        async with httpx2.AsyncClient(trust_env=False) as client:
            given["metrics"] = (await client.get(f"http://127.0.0.1:{port}/metrics")).content
    return given


async def everything_happens(service: Service, mark: Marks) -> tuple[bytes, dict[str, bytes]]:
    """Every flow; what was sent to agencies, and what was answered to others."""
    police = await service.enrol(agency(LE))
    await service.enrol(agency(PROVIDER))
    ids = [await a_case(service, mark) for _ in range(CASES)]
    sent = await agencies_answer(service, mark, police.recipient.id)
    assert await people_write(service, mark) > 0
    given = await answers_to_others(service, mark)
    filled = {place.table for place, _ in await service.database.read(sealed_in)}
    assert filled >= FILLED, FILLED - filled
    for consent in await service.rows("select id from consents where revision = 1 order by id limit 2"):
        with contextlib.suppress(TiprouterError):
            await service.withdraw(consent.id)
    await service.deliver()
    for hold in await service.rows("select id, record_id from holds"):
        await told(service, holding.release, hold.record_id, hold.id)
    for record_id in ids:
        for actor in (ONE, OTHER):
            with contextlib.suppress(TiprouterError):
                await service.database.write(
                    lambda tx, actor=actor, on=record_id: erasing.erase_record(tx, service.desk, actor, on)  # type: ignore[misc] # defaults are no arguments
                )
    await service.check_house()
    await bring_up(service.database, service.folder / "export", service.signer.vkey)
    return sent, given


def _all_of(answer: httpx2.Response) -> bytes:
    return f"{answer.status_code} {answer.headers}".encode() + answer.content


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def left_behind(service: Service) -> dict[str, bytes]:
    """Whatever the house wrote: every row, every file of its folder, PostgreSQL's files, temporary files."""
    left = await rows_of(service) | files_of(service.folder)
    if service.url.startswith("postgresql"):
        left |= await _postgres_files(service.url)
    left |= await asyncio.to_thread(_temporary, service.folder)
    return left


def _temporary(folder: Path) -> dict[str, bytes]:
    """Temporary files of this program that are younger than the house."""
    since = (folder / "keys" / "kek").stat().st_mtime
    found_there = (path for path in Path(tempfile.gettempdir()).glob("tiprouter*") if path.is_file())
    return {str(path): path.read_bytes() for path in found_there if path.stat().st_mtime >= since}


_LISTED = "select name from pg_ls_dir($1, true, false) as name"


async def _postgres_files(url: str) -> dict[str, bytes]:
    """This database's files and the write-ahead log, brought to disk first, as the server reads them."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("CHECKPOINT")
        own = await connection.fetchval("select 'base/' || oid from pg_database where datname = current_database()")
        files = {}
        folders = [own, "pg_wal", "base/pgsql_tmp"]
        for folder in folders:  # which grows meanwhile
            for row in await connection.fetch(_LISTED, folder):
                path = f"{folder}/{row['name']}"
                with contextlib.suppress(asyncpg.PostgresError):  # a file that went meanwhile
                    if (await connection.fetchrow("select isdir from pg_stat_file($1)", path))["isdir"]:
                        folders.append(path)
                    else:
                        files[path] = bytes(await connection.fetchval("select pg_read_binary_file($1)", path))
        return files
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A migrated database's URL and a folder."""
    folder = tmp_path / "house"
    folder.mkdir()
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'tiprouter.db'}", folder
        return
    url = await postgres.new_database(request.getfixturevalue("postgres_url"), migrated=True)
    yield url, folder
    await postgres.drop_database(url)


async def test_no_word_of_anybody_is_left_in_the_clear(
    place: tuple[str, Path], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Over a thousand markers were told; none stands anywhere, in any form. Each is read back by the other run."""
    logs.configure("debug")
    url, folder = place
    killed_while_writing(url, folder)
    mark = Marks()
    async with open_service(url, folder) as service:
        sent, given = await everything_happens(service, mark)
        left = await left_behind(service)
    printed = capsys.readouterr()
    left["printed"] = (printed.out + printed.err).encode()
    assert len(mark.made) == len({*mark.made}) >= 1_000
    assert sent.count(STEM.encode()) >= 100, "the markers did not travel: the test is blind"
    assert len(left["printed"]) > 1_000, "nothing was logged: the test is blind"
    assert sum(map(len, left.values())) > 500_000
    assert found(given) == []
    assert found(left) == []


def test_no_sealed_table_is_forgotten() -> None:
    """A table that comes to hold sealed data is filled here, or named as one that `tests.support.markers` fills."""
    sealed = {table.name for table in metadata.tables.values() if "sealed" in table.columns}
    assert sealed == FILLED | BY_PROCESSES
    assert not FILLED & BY_PROCESSES


async def test_nothing_is_left_in_the_file_after_a_clean_end(tmp_path: Path) -> None:
    """The file that stays when the service has stopped and its write-ahead log is gone."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await a_case(service, Marks())
    assert found(files_of(tmp_path)) == []


async def test_a_field_stored_unsealed_is_found(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a seal that only looks like one is found in rows and files, whichever field it was."""
    monkeypatch.setattr(DataKey, "seal", lambda _, plain, *__: b"\x02" + bytes(12) + plain)
    monkeypatch.setattr(DataKey, "opening", lambda _, sealed, __: (b"", sealed[13:]))
    await a_case(service, Marks())
    assert "revisions" in {name for name, _, _ in found(await rows_of(service))}
    assert len(found(await left_behind(service))) > 3


async def test_one_column_stored_unsealed_is_found(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: only the reason of a hold is written as it came."""
    mark = Marks()
    seal = DataKey.seal

    def careless(key: DataKey, plain: bytes, at: Place, nonce: bytes, salt: bytes = b"") -> bytes:
        return plain if at.table == "holds" else seal(key, plain, at, nonce, salt)

    monkeypatch.setattr(DataKey, "seal", careless)
    await a_case(service, mark)
    assert {name for name, _, _ in found(await rows_of(service))} == {"holds"}


async def test_a_log_line_with_a_word_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The test of the test: a line that a careless program writes past the allow-list is found in what was printed."""
    logs.configure("info")
    structlog.get_logger().info("delivery.held", record="tip_1", name=Marks()("name"))
    logging.getLogger("test").warning("about %s", Marks()("name"))
    kept = capsys.readouterr()
    assert found({"printed": (kept.out + kept.err).encode()}) == []
    sys.stderr.write(f"about {Marks()('name')}\n")
    assert found({"printed": capsys.readouterr().err.encode()})


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_is_found(form: str) -> None:
    """The test of the search: a marker in the middle of other bytes, in each of the forms."""
    word = Marks()("second_name")
    shift = int(form.split()[1]) if form.startswith("base64") else 0
    spelled = {
        "plain": word.encode(),
        "lower case": word.lower().encode(),
        "upper case": word.upper().encode(),
        "backwards": word[::-1].encode(),
        "utf-16-le": word.encode("utf-16-le"),
        "utf-16-be": word.encode("utf-16-be"),
        "hex": word.encode().hex().encode(),
        "hex in upper case": word.encode().hex().upper().encode(),
        "percent-encoded": "".join(f"%{one:02X}" for one in word.encode()).encode(),
        "percent-encoded in lower case": "".join(f"%{one:02x}" for one in word.encode()).encode(),
        "JSON escapes": "".join(f"\\u{one:04x}" for one in word.encode()).encode(),
        "JSON escapes in upper case": "".join(f"\\u{one:04X}" for one in word.encode()).encode(),
    }.get(form, base64.b64encode(b"x" * shift + word.encode() + b"y"))
    ((name, how, _),) = found({"somewhere": os.urandom(500) + spelled + os.urandom(500)})
    assert (name, how) == ("somewhere", form)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "zlib"])
@pytest.mark.parametrize("kept", [1.0, 0.9], ids=["whole", "cut short"])
def test_what_is_compressed_is_found(pack: Callable[[bytes], bytes], kept: float) -> None:
    """The test of the search: a marker packed among other words, whole and cut short, between other bytes."""
    packed = pack(f"a line before, {Marks()('second_name')}, {'and other words ' * 9}{os.urandom(99).hex()}".encode())
    assert found({"plain": packed[:9]}) == []
    somewhere = os.urandom(500) + packed[: int(len(packed) * kept)] + bytes(500)
    assert [(name, how) for name, how, _ in found({"somewhere": somewhere})] == [("somewhere", "compressed")]
