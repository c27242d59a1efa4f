"""The schema comes from the migrations alone, goes up and down, and a database that does not fit is refused."""

import re
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from tests.support.service import START
from tiprouter.domain.accounts import AccountRole, AccountState, Carrier, SignInWay
from tiprouter.domain.breaker import BreakerState
from tiprouter.domain.discharge import CallOutcome, EvidenceKind
from tiprouter.domain.disclosure_states import DisclosureState
from tiprouter.domain.endpoint import MessageForm
from tiprouter.domain.endpoint_states import ChangeState, EndpointState
from tiprouter.domain.grant_states import GrantState
from tiprouter.domain.lanes import Lane
from tiprouter.domain.notice import PageChannel, Severity
from tiprouter.domain.page_states import PageState
from tiprouter.domain.question import QuestionState
from tiprouter.domain.recipient import DeliveryMode
from tiprouter.domain.recovery import Became, RetryReason
from tiprouter.domain.replay_states import ReplayState
from tiprouter.domain.routing import Reach
from tiprouter.domain.second_word_states import ByTwo, SecondWordState
from tiprouter.domain.states import BundleState, DeliveryState, DutyPhase, ReviewState
from tiprouter.domain.storable import storable
from tiprouter.domain.subject_states import ConsentPhase, SubjectNoticeState
from tiprouter.domain.vocabulary import (
    AcknowledgementStatus,
    AttemptKind,
    Establishable,
    NoticeRule,
    Outcome,
    RecipientKind,
    RecordKind,
    ReviewAnswer,
    StatementForm,
    Urgency,
)
from tiprouter.errors import ConfigurationError
from tiprouter.storage import migrations
from tiprouter.storage.columns import metadata
from tiprouter.storage.database import open_database

T = TypeVar("T")

CHECKED: dict[tuple[str, str], type[StrEnum]] = {
    ("records", "kind"): RecordKind,
    ("recipients", "kind"): RecipientKind,
    ("decisions", "outcome"): Outcome,
    ("decisions", "urgency"): Urgency,
    ("bundles", "state"): BundleState,
    ("disclosures", "state"): DisclosureState,
    ("deliveries", "state"): DeliveryState,
    ("deliveries", "urgency"): Urgency,
    ("deliveries", "lane"): Lane,
    ("lines", "state"): BreakerState,
    ("endpoints", "state"): EndpointState,
    ("endpoint_changes", "state"): ChangeState,
    ("endpoint_messages", "form"): MessageForm,
    ("acknowledgements", "status"): AcknowledgementStatus,
    ("pages", "channel"): PageChannel,
    ("pages", "severity"): Severity,
    ("pages", "state"): PageState,
    ("recipients", "delivery_mode"): DeliveryMode,
    ("attempts", "kind"): AttemptKind,
    ("reviews", "state"): ReviewState,
    ("reviews", "urgency"): Urgency,
    ("reviews", "answer"): ReviewAnswer,
    ("established", "fact"): Establishable,
    ("duties", "phase"): DutyPhase,
    ("duties", "discharged_by"): EvidenceKind,
    ("duty_calls", "outcome"): CallOutcome,
    ("duty_calls", "kind"): RecipientKind,
    ("duty_letters", "kind"): RecipientKind,
    ("consents", "state"): ConsentPhase,
    ("suspensions", "form"): StatementForm,
    ("subject_notices", "rule"): NoticeRule,
    ("subject_notices", "state"): SubjectNoticeState,
    ("retries", "reason"): RetryReason,
    ("retries", "became"): Became,
    ("replays", "reason"): RetryReason,
    ("replays", "state"): ReplayState,
    ("replays", "urgency"): Urgency,
    ("replay_items", "found"): DeliveryState,
    ("replay_items", "became"): Became,
    ("grants", "state"): GrantState,
    ("second_words", "act"): ByTwo,
    ("second_words", "state"): SecondWordState,
    ("sweeps", "reach"): Reach,
    ("questions", "urgency"): Urgency,
    ("questions", "state"): QuestionState,
    ("accounts", "role"): AccountRole,
    ("accounts", "way"): SignInWay,
    ("accounts", "state"): AccountState,
    ("sessions", "carrier"): Carrier,
}
"""Which column holds which closed vocabulary."""

BROKEN = '''"""A migration that fails half-way."""
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{new}", "{old}", None, None
def upgrade() -> None:
    op.create_table("half", sa.Column("n", sa.Integer))
    op.execute("insert into half values (1)")
    raise RuntimeError
def downgrade() -> None:
    op.drop_table("half")
'''


async def asked(url: str, question: Callable[[Connection], T]) -> T:
    """What a question about this database is answered."""
    database = open_database(url)
    try:
        return await database.read(question)
    finally:
        await database.close()


def names(tx: Connection) -> set[str]:
    """The tables there are."""
    return set(sa.inspect(tx).get_table_names())


def checks(tx: Connection) -> dict[tuple[str, str], set[str]]:
    """The values that each checked column allows, as the database has them."""
    allowed = {}
    for table in metadata.tables:
        for check in sa.inspect(tx).get_check_constraints(table):
            name = str(check["name"])
            if not name.endswith("_known"):
                continue
            column = name.removeprefix(f"ck_{table}_").removesuffix("_known")
            allowed[table, column] = set(re.findall(r"'([^']*)'", check["sqltext"]))
    return allowed


async def test_the_schema_goes_up_down_and_up_again(database_url: str) -> None:
    """After a way down nothing is left but the migrations' own table; the way up gives the same tables again."""
    await migrations.migrate(database_url)
    first = await asked(database_url, names)
    assert first == {*metadata.tables, "alembic_version"}
    await migrations.migrate(database_url, "base")
    assert await asked(database_url, names) == {"alembic_version"}
    await migrations.migrate(database_url)
    await migrations.migrate(database_url)
    assert await asked(database_url, names) == first
    await migrations.check(database_url)


async def test_the_migrated_schema_is_the_one_the_code_speaks_of(database_url: str) -> None:
    """Tables, columns, types, keys and indexes are the metadata's, by alembic's own comparison."""
    await migrations.migrate(database_url)

    def differences(tx: Connection) -> list[Any]:
        context = MigrationContext.configure(tx, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    assert await asked(database_url, differences) == []


async def test_every_closed_vocabulary_is_checked_by_the_database(database_url: str) -> None:
    """The CHECK constraints name exactly the values that may be stored, no more and no fewer."""
    await migrations.migrate(database_url)
    expected = {place: {value.value for value in storable(values)} for place, values in CHECKED.items()}
    assert await asked(database_url, checks) == expected


async def test_a_value_outside_its_vocabulary_is_refused(database_url: str) -> None:
    """The constraint is alive: a recipient of a kind nobody knows cannot be stored, one of a known kind can."""
    await migrations.migrate(database_url)
    database = open_database(database_url)
    insert = metadata.tables["recipients"].insert()
    row = {"id": "rcp_1", "revision": 1, "details": {}, "registered_at": START}

    def store(kind: str) -> Callable[[Connection], None]:
        def story(tx: Connection) -> None:
            tx.execute(insert, row | {"kind": kind})

        return story

    with pytest.raises(sa.exc.IntegrityError):
        await database.write(store("newspaper"))
    await database.write(store("law_enforcement"))
    await database.close()


async def test_an_empty_database_is_refused_in_one_line(database_url: str) -> None:
    """A database that was never migrated is refused, and the line says what to run."""
    with pytest.raises(ConfigurationError, match="tiprouter migrate") as caught:
        await migrations.check(database_url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("way_in", ["check", "migrate"])
async def test_a_newer_database_is_refused_in_one_line(database_url: str, way_in: str) -> None:
    """A revision this code does not know is refused by both ways in, and nothing is changed."""
    await migrations.migrate(database_url)
    database = open_database(database_url)
    await database.write(lambda tx: tx.exec_driver_sql("update alembic_version set version_num = '9999'"))
    await database.close()
    with pytest.raises(ConfigurationError, match="newer") as caught:
        await getattr(migrations, way_in)(database_url)
    assert "\n" not in str(caught.value)
    assert await asked(database_url, migrations.current) == "9999"


async def test_a_database_that_cannot_be_opened_is_refused_in_one_line(tmp_path: Path) -> None:
    """A folder that is not there, a server that is not there: one line, without the URL and its password."""
    for url in (f"sqlite:///{tmp_path}/missing/x.db", "postgresql+asyncpg://u:hush-hush@127.0.0.1:9/none"):
        with pytest.raises(ConfigurationError) as caught:
            await migrations.migrate(url)
        assert "\n" not in str(caught.value)
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize("start", ["empty", "current"])
async def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    database_url: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It made a table and a row before it failed: neither is there afterwards, and the revision is the old one."""
    if start == "current":
        await migrations.migrate(database_url)
    before = await asked(database_url, names)
    folder = tmp_path / "scripts"
    shutil.copytree(migrations.scripts(), folder)
    (folder / "versions" / "9998_broken.py").write_text(BROKEN.format(new="9998", old=migrations.head()))
    monkeypatch.setattr(migrations, "scripts", lambda: folder)
    with pytest.raises(RuntimeError):
        await migrations.migrate(database_url)
    monkeypatch.undo()
    assert await asked(database_url, names) == before
    assert await asked(database_url, migrations.current) == (None if start == "empty" else migrations.head())
    await migrations.migrate(database_url)
    await migrations.check(database_url)


async def test_a_database_that_has_its_schema_is_recognised_without_alembic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the scripts spell is what alembic reads in them; a start at that schema never asks alembic (rule 4)."""
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    await migrations.migrate(url)
    assert migrations.head() == migrations._scripts().get_current_head()  # noqa: SLF001 - alembic's own answer

    def asked_alembic() -> None:
        raise AssertionError

    monkeypatch.setattr(migrations, "_scripts", asked_alembic)
    await migrations.migrate(url)
    await migrations.check(url)
    monkeypatch.setattr(migrations, "_spelt_head", lambda: None)
    with pytest.raises(AssertionError):
        await migrations.migrate(url)
