"""Does the doctor find what would keep the service from starting or being safe? (cli/doctor.py)"""

import asyncio
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tiprouter import wiring
from tiprouter.cli.doctor import examine
from tiprouter.policy.bundle import load
from tiprouter.policy.files import shipped
from tiprouter.settings import Settings
from tiprouter.wiring.findings import Finding, Level
from tiprouter.workflow import credentials, governing
from tiprouter.workflow.happening import ROUTER, Actor
from tiprouter.workflow.publish import Sequencer

_OPEN = {"Pages", "Operators"}
"""What nobody has seen to yet where a service has just begun."""


@pytest.fixture
async def lived_in(tmp_path: Path) -> Settings:
    """A data folder in which a service has run: schema, keys, a bundle, and a log of a few entries, published."""
    settings, survivor_led = Settings(data=tmp_path / "data"), load(shipped("survivor-led"))
    async with wiring.open_house(settings, migrate=True) as house:
        await house.database.write(lambda tx: governing.install(tx, house.desk, survivor_led, {"passed": True}))
        await grow(house, settings)
    return settings


async def grow(house: wiring.House, settings: Settings) -> None:
    """Open the log, or let it grow by one credential's entry, and publish it."""
    sequencer = Sequencer(house.database, house.desk, house.signer, settings.log_folder)
    await sequencer.start()
    await house.database.write(lambda tx: credentials.make(tx, house.desk, ROUTER, credentials.CallerRole.AUDITOR))
    await sequencer.drain()


async def found(settings: Settings, subject: str, *, late: timedelta = timedelta()) -> Finding:
    """Return what the doctor says about one subject."""
    findings = {one.subject: one for one in await examine(settings, wiring.now() + late)}
    return findings[subject]


async def test_a_lived_in_folder_is_fine(lived_in: Settings) -> None:
    """Everything is OK, and looking changed nothing (rule 2)."""
    before = sorted(str(path) for path in lived_in.data.rglob("*") if path.suffix not in {".db-wal", ".db-shm"})
    assert {one.level for one in await examine(lived_in, wiring.now()) if one.subject not in _OPEN} == {Level.OK}
    after = sorted(str(path) for path in lived_in.data.rglob("*") if path.suffix not in {".db-wal", ".db-shm"})
    assert after == before


@pytest.mark.parametrize(
    ("by", "ended", "levels", "said"),
    [
        ((), False, (Level.WARN, Level.FAIL), "nobody yet"),
        (("cal_one",), False, (Level.WARN, Level.FAIL), "one person"),
        (("cal_one", "cal_one"), False, (Level.WARN, Level.FAIL), "one person"),
        (("cal_one", "cal_two"), False, (Level.OK, Level.OK), "2 persons"),
        (("cal_one", "cal_two"), True, (Level.WARN, Level.FAIL), "nobody but one is left"),
    ],
)
async def test_two_operators_are_counted_as_persons(
    lived_in: Settings, by: tuple[str, ...], *, ended: bool, levels: tuple[Level, Level], said: str
) -> None:
    """Credentials of one person are one; for real data one is too few, and so is who is left of two."""
    async with wiring.open_house(lived_in, migrate=False) as house:
        for one in by:
            operator, role = Actor(one, "operator"), credentials.CallerRole.OPERATOR
            made, _ = await house.database.write(partial(credentials.make, desk=house.desk, actor=operator, role=role))
            if made.waits:
                await house.database.write(
                    partial(credentials.confirm, desk=house.desk, actor=ROUTER, caller_id=made.id)
                )
        if ended:
            await house.database.write(lambda tx: credentials.revoke(tx, house.desk, ROUTER, made.id))
    plain = await found(lived_in, "Operators")
    strict = {one.subject: one for one in await examine(lived_in, wiring.now(), production=True)}["Operators"]
    assert (plain.level, strict.level) == levels
    assert said in plain.found
    in_the_sandbox = lived_in.model_copy(update={"sandbox": True})
    assert (await examine(in_the_sandbox, wiring.now(), production=True))[-1].level is levels[0]


async def test_an_empty_place_warns_and_stays_empty(tmp_path: Path) -> None:
    """Rule 2: nothing is made by looking; what the first start makes is said to be missing."""
    settings = Settings(data=tmp_path / "data")
    levels = {one.subject: one.level for one in await examine(settings, wiring.now())}
    assert [levels[name] for name in ("Data folder", "Key file", "Database", "Audit log")] == [Level.WARN] * 4
    assert not settings.data.exists()


async def test_open_doors_are_found(lived_in: Settings) -> None:
    """A folder others may look into warns; a key others may read fails, since the service would refuse it."""
    lived_in.data.chmod(0o755)
    lived_in.key_file.chmod(0o640)
    assert (await found(lived_in, "Data folder")).level is Level.WARN
    key = await found(lived_in, "Key file")
    assert (key.level, key.remedy) == (Level.FAIL, f"chmod 600 {lived_in.key_file}")


async def test_a_lost_key_beside_a_database_fails(lived_in: Settings) -> None:
    """A new key would open nothing that was sealed."""
    lived_in.key_file.unlink()
    assert (await found(lived_in, "Key file")).level is Level.FAIL


async def test_a_foreign_schema_fails(lived_in: Settings) -> None:
    """Rule 1: a database without the schema is not one the service can start on; other checks still speak (rule 3)."""
    for path in lived_in.data.glob("tiprouter.db*"):
        path.unlink()
    (lived_in.data / "tiprouter.db").touch()
    levels = {one.subject: one.level for one in await examine(lived_in, wiring.now())}
    assert (levels["Database"], levels["Python"]) == (Level.FAIL, Level.OK)


async def test_a_bundle_with_a_fault_fails_with_its_place(tmp_path: Path) -> None:
    """The bundle is loaded as the service would load it."""
    shutil.copytree(shipped("survivor-led"), tmp_path / "bundle")
    with (tmp_path / "bundle" / "tenant.cedar").open("a") as file:
        file.write("permit (principal, action, resource);\n")
    bundle = await found(Settings(data=tmp_path / "data", bundle=f"{tmp_path}/bundle"), "Policy bundle")
    assert bundle.level is Level.FAIL
    assert bundle.found.startswith("tenant.cedar:")


async def test_a_golden_table_that_no_longer_holds_fails(tmp_path: Path) -> None:
    """A bundle whose decisions are not the written ones is found before it decides about anybody."""
    shutil.copytree(shipped("survivor-led"), tmp_path / "bundle")
    tenant = tmp_path / "bundle" / "tenant.cedar"
    tenant.write_text(tenant.read_text().replace('principal.kind == RecipientKind::"law_enforcement"', "false", 1))
    bundle = await found(Settings(data=tmp_path / "data", bundle=f"{tmp_path}/bundle"), "Policy bundle")
    assert (bundle.level, "golden" in bundle.found) == (Level.FAIL, True)


async def test_the_bundle_in_force_is_judged_and_not_the_configured_one(lived_in: Settings) -> None:
    """What decides is in the database; a setting that says otherwise changes nothing, and a changed text is found."""
    other = lived_in.model_copy(update={"bundle": "tip-sharing"})
    bundle = await found(other, "Policy bundle")
    assert (bundle.level, "survivor-led" in bundle.found, "in force" in bundle.found) == (Level.OK, True, True)
    async with wiring.open_house(lived_in, migrate=False) as house:
        await house.database.write(lambda tx: tx.exec_driver_sql("update bundles set files_digest = 'other'"))
    bundle = await found(other, "Policy bundle")
    assert (bundle.level, "not what was approved" in bundle.found) == (Level.FAIL, True)


async def test_a_database_that_was_set_back_fails(lived_in: Settings, tmp_path: Path) -> None:
    """The log's folder remembers more than the database: history was lost."""
    shutil.copytree(lived_in.data, tmp_path / "backup")
    async with wiring.open_house(lived_in, migrate=False) as house:
        await grow(house, lived_in)
    shutil.copytree(lived_in.log_folder, tmp_path / "backup" / "log", dirs_exist_ok=True)
    log = await found(Settings(data=tmp_path / "backup"), "Audit log")
    assert (log.level, log.found) == (Level.FAIL, "the folder has 3 entries, the database 2.")


async def test_a_folder_that_is_behind_warns(lived_in: Settings, tmp_path: Path) -> None:
    """A crash between commit and publishing leaves the folder behind; the next start mends it."""
    shutil.copytree(lived_in.log_folder, tmp_path / "older")
    async with wiring.open_house(lived_in, migrate=False) as house:
        await grow(house, lived_in)
    shutil.rmtree(lived_in.log_folder)
    shutil.copytree(tmp_path / "older", lived_in.log_folder)
    assert (await found(lived_in, "Audit log")).level is Level.WARN


async def test_another_history_fails(lived_in: Settings, tmp_path: Path) -> None:
    """A folder of the same size with other entries: one of the two was changed."""
    other = Settings(data=tmp_path / "other")
    async with wiring.open_house(other, migrate=True) as house:
        await grow(house, other)
    shutil.rmtree(lived_in.log_folder)
    shutil.copytree(other.log_folder, lived_in.log_folder)
    assert (await found(lived_in, "Audit log")).found == "folder and database hold different histories."


async def test_a_clock_that_went_back_fails(lived_in: Settings) -> None:
    """Deadlines are counted on the clock: it must not lie before the last checkpoint."""
    assert (await found(lived_in, "Clock", late=timedelta(hours=-1))).level is Level.FAIL


@pytest.mark.parametrize(("host", "level"), [("127.0.0.1", Level.OK), ("::1", Level.OK), ("0.0.0.0", Level.WARN)])  # noqa: S104 - what is asked about
async def test_a_public_address_wants_a_proxy(lived_in: Settings, host: str, level: Level) -> None:
    """The service speaks no TLS itself."""
    assert (await found(Settings(data=lived_in.data, host=host), "Address")).level is level


async def test_the_sandbox_is_said_to_be_on(lived_in: Settings) -> None:
    """A service that delivers to loopback only must not be taken for a real one."""
    assert (await found(Settings(data=lived_in.data, sandbox=True), "Sandbox")).level is Level.WARN


def test_one_failure_makes_the_exit_code(tiprouter: CommandLine, tmp_path: Path) -> None:
    """Rule 1, from outside: exit code 1 and a FAIL line that says what to do."""
    asyncio.run(_made(Settings(data=tmp_path / "data")))
    (tmp_path / "data" / "keys" / "kek").unlink()
    done = tiprouter("doctor", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "FAIL Key file: it is missing, and there is a database. Restore it" in done.stdout


async def _made(settings: Settings) -> None:
    async with wiring.open_house(settings, migrate=True):
        pass
