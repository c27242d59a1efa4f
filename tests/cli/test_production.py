"""Does a service that is unsafe for real data say so, and refuse to start? (wiring/safety.py, surroundings.py)"""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.support import postgres
from tests.support.fictional import agency
from tests.support.papers import DAY, Authority
from tests.support.service import OPERATOR
from tiprouter import wiring
from tiprouter.domain.recipient import EncryptionKey
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.storage import durability
from tiprouter.storage.database import open_database
from tiprouter.wiring import surroundings
from tiprouter.wiring.findings import Finding, Level
from tiprouter.wiring.safety import CHECKS, examine_safety, refuse_unsafe
from tiprouter.wiring.surroundings import SKEW_MAX, judged_server, judged_skew
from tiprouter.workflow import enrolment

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
KEPT = durability.Server(NOW, "on", "on", "on", "ANY 1 (a, b)", 2, follows=False)


@pytest.fixture
def safe(tmp_path: Path) -> Settings:
    """Settings that nothing can be said against but the absence of witnesses."""
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=" + "\n")
    secret.chmod(0o600)
    return Settings(
        data=tmp_path / "data",
        public_url="https://router.hotline-of-ours.org",
        trusted_proxies="127.0.0.1",
        log_origin="log.hotline-of-ours.org/audit",
        page_webhook_url="https://pager.hotline-of-ours.org/",
        page_webhook_secret_file=str(secret),
        retention_days=365,
    )


async def found(settings: Settings, subject: str) -> Finding:
    """What is said about one subject; every line that is not fine says how to mend it."""
    findings = {one.subject: one for one in await examine_safety(settings, datetime.now(UTC))}
    assert findings.keys() == CHECKS.keys()
    one = findings[subject]
    assert one.found
    assert one.remedy or one.level is Level.OK or subject in ("Witness clocks", "Certificate")  # errors in one line
    return one


async def test_a_safe_service_may_start(safe: Settings) -> None:
    """No FAIL; who has no witness is told. Nothing was made by looking."""
    levels = {one.subject: one.level for one in await examine_safety(safe, datetime.now(UTC))}
    levels.pop("Kept clock")  # what keeps this machine's clock is not the test's to say
    assert {subject for subject, level in levels.items() if level is not Level.OK} == {"Witnesses"}
    await refuse_unsafe(safe, datetime.now(UTC))
    assert not safe.data.exists()


UNSAFE = [
    ("Log origin", {"log_origin": "tiprouter.example/audit"}, Level.FAIL),
    ("Log origin", {"log_origin": "hotline.example/audit"}, Level.FAIL),
    ("Public URL", {"public_url": ""}, Level.FAIL),
    ("Public URL", {"public_url": "http://router.hotline-of-ours.org"}, Level.FAIL),
    ("Public URL", {"public_url": "https://router.example"}, Level.FAIL),
    ("Public URL", {"allowed_hosts": "another.hotline-of-ours.org"}, Level.FAIL),
    ("Sandbox", {"sandbox": True}, Level.FAIL),
    ("Listening", {"trusted_proxies": ""}, Level.FAIL),
    ("Listening", {"host": "0.0.0.0", "trusted_proxies": ""}, Level.FAIL),  # noqa: S104 - what is refused
    ("Listening", {"host": "0.0.0.0", "trusted_proxies": "10.0.0.0/8"}, Level.OK),  # noqa: S104 - as above
    ("Listening", {"trusted_proxies": "0.0.0.0/0"}, Level.FAIL),
    ("Listening", {"metrics_host": "0.0.0.0", "metrics_port": 9}, Level.WARN),  # noqa: S104 - as above
    ("Paging", {"page_webhook_url": "", "page_webhook_secret_file": ""}, Level.FAIL),
    ("Paging", {"page_imminent": "none"}, Level.FAIL),
    ("Paging", {"page_routine": "none"}, Level.WARN),
    ("Endpoints", {"verify_endpoints": "never"}, Level.FAIL),
    ("Retention", {"retention_days": 0}, Level.WARN),
    ("Retention", {"retention_tip_days": 0}, Level.WARN),
    ("Retention", {"retention_answer_days": 0}, Level.WARN),
    ("Retention", {"retention_accounting_days": 2_191}, Level.FAIL),
    ("Retention", {"retention_accounting_days": 0}, Level.OK),
    ("Retention", {"retention_days": 0, "retention_tip_days": 9, "retention_case_days": 9}, Level.OK),
    ("Limits", {"writes_per_minute": 0}, Level.WARN),
    ("Witness clocks", {"log_witnesses": "no witness at all"}, Level.FAIL),
]


@pytest.mark.parametrize(("subject", "changes", "level"), UNSAFE)
async def test_each_unsafe_setting_is_found(
    safe: Settings, subject: str, changes: dict[str, object], level: Level
) -> None:
    """One change of a safe service is one finding, and a start is refused for what fails alone."""
    changed = safe.model_copy(update=changes)
    assert (await found(changed, subject)).level is level
    if level is Level.FAIL:
        with pytest.raises(ConfigurationError, match=subject):
            await refuse_unsafe(changed, datetime.now(UTC))
    else:
        await refuse_unsafe(changed, datetime.now(UTC))


OURS = "router.hotline-of-ours.org"
CERTIFICATES = {
    "good": ((OURS,), DAY, 90 * DAY, Level.OK),
    "for any name below ours": (("*.hotline-of-ours.org",), DAY, 90 * DAY, Level.OK),
    "for another name": (("other.hotline-of-ours.org",), DAY, 90 * DAY, Level.FAIL),
    "for any name two below": (("*.org",), DAY, 90 * DAY, Level.FAIL),
    "not yet": ((OURS,), -DAY, 90 * DAY, Level.FAIL),
    "ended": ((OURS,), 90 * DAY, -DAY, Level.FAIL),
    "ends soon": ((OURS,), 80 * DAY, 13 * DAY, Level.WARN),
    "ends in time": ((OURS,), 80 * DAY, 15 * DAY, Level.OK),
    "short and young": ((OURS,), 2 * DAY, 4 * DAY, Level.OK),
    "short and old": ((OURS,), 5 * DAY, DAY, Level.WARN),
}


@pytest.mark.parametrize(("names", "old", "left", "level"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_certificate_of_its_own_takes_a_proxys_place(
    safe: Settings, tmp_path: Path, names: tuple[str, ...], old: timedelta, left: timedelta, level: Level
) -> None:
    """TLS here is as good as a proxy; a certificate that callers refuse, or will soon, is told."""
    papers = Authority(tmp_path).papers(*names, begins=-old, ends=left)
    files = {"tls_certificate_file": str(papers.certificate), "tls_key_file": str(papers.key)}
    outside = safe.model_copy(update=files | {"host": "0.0.0.0", "trusted_proxies": ""})  # noqa: S104 - TLS is spoken
    assert (await found(outside, "Listening")).level is Level.OK
    assert (await found(outside, "Certificate")).level is level
    papers.key.chmod(0o644)
    assert (await found(outside, "Certificate")).level is Level.FAIL
    assert (await found(outside, "Files")).level is Level.FAIL


async def test_open_files_are_found(safe: Settings) -> None:
    """The data folder, each key in it, and a secret elsewhere are their owner's alone."""
    keys = safe.data / "keys"
    keys.mkdir(parents=True)
    keys.chmod(0o700)
    safe.data.chmod(0o700)
    (keys / "kek").write_bytes(os.urandom(32))
    (keys / "kek").chmod(0o600)
    for path, mode in ((keys / "kek", 0o640), (safe.data, 0o755), (Path(safe.page_webhook_secret_file), 0o604)):
        assert (await found(safe, "Files")).level is Level.OK
        before = path.stat().st_mode
        path.chmod(mode)
        files = await found(safe, "Files")
        assert (files.level, str(path) in files.remedy) == (Level.FAIL, True)
        path.chmod(before)


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, Level.OK),
        ({"fsync": "off"}, Level.FAIL),
        ({"full_page_writes": "off"}, Level.FAIL),
        ({"synchronous_commit": "off"}, Level.FAIL),
        ({"synchronous_commit": "local"}, Level.FAIL),
        ({"synchronous_commit": "remote_apply"}, Level.OK),
        ({"standby_names": ""}, Level.FAIL),
        ({"standby_names": "", "standbys": 0}, Level.WARN),
        ({"follows": True}, Level.FAIL),
    ],
)
def test_a_database_that_may_lose_what_it_said_is_refused(changes: dict[str, object], level: Level) -> None:
    """An asynchronous standby, and each setting that lets a crash take back a 201."""
    assert judged_server(replace(KEPT, **changes))[0] is level  # type: ignore[arg-type]  # values as named


async def test_a_postgresql_server_is_asked(safe: Settings, postgres_url: str) -> None:
    """The tests' own server does not flush, for speed: it is refused, and its clock is this machine's."""
    url = await postgres.new_database(postgres_url)
    settings = safe.model_copy(update={"database_url": url})
    database = open_database(url)
    try:
        said = await database.read(durability.server)
        assert said is not None
    finally:
        await database.close()
    assert abs(datetime.now(UTC) - said.now) < timedelta(minutes=1)
    assert (await found(settings, "Durability")).level is judged_server(said)[0]
    assert (await found(settings, "Recipients")).level is Level.WARN
    assert (await found(settings, "Bundle")).level is Level.WARN
    await postgres.drop_database(url)


def test_clocks_that_differ_are_refused() -> None:
    """Two seconds are let pass, more are not."""
    assert judged_skew(SKEW_MAX, SKEW_MAX, "another's")[0] is Level.OK
    assert judged_skew(SKEW_MAX * 1.01, SKEW_MAX, "another's")[0] is Level.FAIL


@pytest.mark.parametrize(("status", "level"), [(0, Level.OK), (0x40, Level.WARN), (None, Level.WARN)])
async def test_a_clock_that_nothing_keeps_is_told(
    safe: Settings, monkeypatch: pytest.MonkeyPatch, status: int | None, level: Level
) -> None:
    """The kernel's own word for it, where there is one."""
    monkeypatch.setattr(surroundings, "clock_status", lambda: status)
    assert (await found(safe, "Kept clock")).level is level


def test_the_kernel_is_asked_without_changing_anything() -> None:
    """adjtimex(2) answers bits, or the system has none."""
    status = surroundings.clock_status()
    assert status is None or 0 <= status < 1 << 16


@pytest.mark.parametrize(("days", "level"), [(29, Level.WARN), (31, Level.OK)])
async def test_papers_that_end_soon_are_told(safe: Settings, days: int, level: Level) -> None:
    """An agreement, or the last encryption key, that ends within thirty days: the recipient is named by its id."""
    until = datetime.now(UTC) + timedelta(days=days)
    async with wiring.open_house(safe, migrate=True) as house:
        signed = replace(agency(), agreement_until=until)
        made = await house.database.write(lambda tx: enrolment.register(tx, house.desk, OPERATOR, signed))
    papers = await found(safe, "Recipients")
    assert (papers.level, made.recipient.id in papers.found) == (level, level is Level.WARN)
    assert (await found(safe, "Bundle")).level is Level.WARN


def test_only_the_last_key_counts() -> None:
    """A key that ends is nothing to tell while another one lasts longer, or for ever."""
    soon, late = datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) + timedelta(days=100)
    brief, lasting = (EncryptionKey("a", "{}", NOW, until) for until in (soon, late))
    base = replace(agency(), agreement_until=None)
    ends = surroundings._ends  # noqa: SLF001 - a rule of its own
    assert ends(replace(base, encryption_keys=(brief, lasting))) == [late]
    assert ends(replace(base, encryption_keys=(brief,))) == [soon]
    assert ends(replace(base, encryption_keys=(brief, replace(lasting, until=None)))) == []


def test_an_unsafe_start_is_refused_before_anything_is_made(tiprouter: CommandLine, tmp_path: Path) -> None:
    """From outside: `serve` says what is unsafe, exits 1 and makes no folder; `doctor --production` says the same."""
    data = tmp_path / "data"
    done = tiprouter("serve", "--data", data, "--port", 0, TIPROUTER_PRODUCTION="1")
    assert done.returncode == 1
    assert "This is unsafe for real data. Log origin: tiprouter.example/audit is nobody's" in done.stderr
    assert not data.exists()
    told = tiprouter("doctor", "--production", "--data", data)
    assert told.returncode == 1
    assert (
        "FAIL Log origin: tiprouter.example/audit is nobody's: proofs under it prove nothing about you. Set"
        in told.stdout
    )
    assert "FAIL Paging: off" in told.stdout


async def test_a_check_that_breaks_is_a_failure(safe: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 2: what could not be looked at is not taken for safe."""

    def broken() -> int:
        raise RuntimeError

    monkeypatch.setattr(surroundings, "clock_status", broken)
    kept = await asyncio.wait_for(examine_safety(safe, datetime.now(UTC)), 30)
    assert {one.level for one in kept if one.subject == "Kept clock"} == {Level.FAIL}
