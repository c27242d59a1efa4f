"""What does an operator learn of paging before anybody needs it? (cli/doctor.py, wiring)"""

from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.cli.conftest import CommandLine
from tiprouter import wiring
from tiprouter.cli.doctor import examine
from tiprouter.delivery.signing import generate_hmac
from tiprouter.domain.notice import UNDELIVERED, PageChannel
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.wiring.findings import Finding, Level

WEBHOOK, EMAIL = PageChannel
SECRET = generate_hmac(bytes(range(24))).reveal()
MAIL = {
    "page_smtp_host": "mail.example",
    "page_mail_from": "router@hotline.example",
    "page_mail_to": "oncall@hotline.example",
}


def settings(folder: Path, **changes: Any) -> Settings:  # noqa: ANN401 - any setting
    """Settings of a service whose webhook pages, its secret in a file."""
    file = folder / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    values = {"page_webhook_url": "https://pager.example/hush", "page_webhook_secret_file": str(file)}
    return Settings(data=folder / "data", **values | changes)


async def found(given: Settings) -> Finding:
    """What the doctor says of pages."""
    return next(one for one in await examine(given, wiring.now()) if one.subject == "Pages")


async def test_a_service_without_channels_is_told_so(tmp_path: Path) -> None:
    """It runs, and somebody should know that nobody is paged."""
    said = await found(Settings(data=tmp_path))
    assert (said.level, said.found) == (Level.WARN, "off: nobody is paged, notices wait until somebody asks.")
    assert "TIPROUTER_PAGE_WEBHOOK_URL" in said.remedy


async def test_a_worker_without_channels_says_so_at_its_start(tmp_path: Path) -> None:
    """One line in the log; with channels, one line each."""
    lines = []
    for given in (Settings(data=tmp_path / "data"), settings(tmp_path, **MAIL)):
        with structlog.testing.capture_logs() as captured:
            async with wiring.open_house(given, migrate=True) as house, wiring.working(house):
                pass
        lines += [(line["event"], line.get("channel")) for line in captured if line["event"].startswith("paging")]
    assert lines == [("paging.off", None), ("paging.on", "webhook"), ("paging.on", "email")]


async def test_channels_that_are_whole_are_fine(tmp_path: Path) -> None:
    """One, or both."""
    assert (await found(settings(tmp_path))).found == "by webhook."
    both = await found(settings(tmp_path, **MAIL))
    assert (both.level, both.found) == (Level.OK, "by email and webhook.")


@pytest.mark.parametrize("route", [{"page_imminent": "none"}, {"page_imminent": "email"}])
async def test_what_pages_nobody_is_told(tmp_path: Path, route: dict[str, str]) -> None:
    """A severity that goes nowhere, or to a channel that is not there."""
    said = await found(settings(tmp_path, **route))
    assert (said.level, said.found) == (Level.WARN, "nothing pages what is imminent.")


@pytest.mark.parametrize(
    "changes",
    [
        {"page_webhook_secret_file": ""},
        {"page_webhook_secret_file": "nowhere"},
        {"page_webhook_url": ""},
        {"page_webhook_url": "http://pager.example/hush"},
        {"page_webhook_url": "https://127.0.0.1/hush"},
        {"page_webhook_url": "https://10.1.2.3/hush", "page_webhook_networks": "10.2.0.0/16"},
        {"page_webhook_networks": "0.0.0.0/0"},
        MAIL | {"page_mail_to": ""},
        MAIL | {"page_mail_from": "hush"},
        MAIL | {"page_smtp_host": ""},
        MAIL | {"page_smtp_security": "none"},
        MAIL | {"page_smtp_user": "hush"},
        MAIL | {"page_smtp_user": "pager", "page_smtp_password_file": "nowhere"},
        MAIL | {"sandbox": True, "page_webhook_url": "", "page_webhook_secret_file": ""},
    ],
)
def test_half_a_channel_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A start would not begin, and the line does not repeat what was set."""
    broken = settings(tmp_path, **changes)
    with pytest.raises(ConfigurationError) as caught:
        wiring.hook_of(broken), wiring.mailbox_of(broken)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The file's mode is looked at, at each start."""
    given = settings(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    assert (await found(given)).level is Level.FAIL


def test_settings_become_a_routing(tmp_path: Path) -> None:
    """Which severity goes where is what the settings say."""
    given = settings(tmp_path, **MAIL, page_imminent="webhook", page_routine="email", page_urgent="none")
    routing = wiring.routing_of(given)
    assert routing.first(UNDELIVERED) == (WEBHOOK,)
    assert routing.first("review.wanted") == (EMAIL,)
    assert routing.first("delivery.late") == ()


def test_a_start_with_half_a_channel_is_one_line(tiprouter: CommandLine, tmp_path: Path) -> None:
    """From outside: exit code 1, one line, and the URL is not in it."""
    url = "https://pager.example/hush"
    done = tiprouter("serve", "--data", tmp_path / "data", "--port", "0", TIPROUTER_PAGE_WEBHOOK_URL=url)
    assert done.returncode == 1
    assert "service.refused" in done.stderr
    assert "The file of the operator's webhook secret is not there." in done.stderr
    assert "hush" not in done.stderr + done.stdout


def test_no_settings_object_shows_a_secret(tmp_path: Path) -> None:
    """Settings name files; what is in them is read once, and no `repr` shows it."""
    given = settings(tmp_path, **MAIL)
    assert SECRET not in repr(given) + repr(wiring.hook_of(given)) + repr(wiring.mailbox_of(given))
