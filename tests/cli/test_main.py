"""Does the command line start light, and refuse in one clear line? (cli/main.py)"""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import CommandLine
from tiprouter.cli import auditing, main, service
from tiprouter.policy import bundle as bundles
from tiprouter.policy.files import shipped
from tiprouter.settings import Settings
from tiprouter.storage import migrations

HEAVY = ("fastapi", "sqlalchemy", "aiohttp", "cedarpy", "pydantic", "uvicorn", "httpx2", "cryptography")


def test_help_imports_nothing_of_the_service(tiprouter: CommandLine) -> None:
    """Rule 1: `--help` must answer at once, so it may not pay for the service."""
    done = tiprouter("--help", python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "typer" in imported, "the import log was not read"
    assert imported.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "openapi", "doctor", "demo", "audit", "credential"])
def test_help_names_the_commands(command: str) -> None:
    """Every command of the product is listed; the demo's own agency is not."""
    done = CliRunner().invoke(main.app, ["--help"])
    assert f"  {command} " in done.output
    assert "sandbox-agency" not in done.output


def test_a_refusal_is_one_line_without_a_traceback(tiprouter: CommandLine) -> None:
    """Rule 2: what the product refuses, it says in one line."""
    done = tiprouter("audit", "verify", "nowhere", "--key", "a", "--key-file", "b")
    assert done.returncode == 1
    assert done.stderr == "tiprouter: Give --key or --key-file, not both.\n"


def test_a_defect_never_shows_its_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 2: an error nobody foresaw may quote a record, so only its class and place are shown."""

    def broken(*_: object) -> None:
        raise KeyError("MARKER")

    monkeypatch.setattr(auditing, "verify", broken)
    monkeypatch.setattr("sys.argv", ["tiprouter", "audit", "verify", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    said = capsys.readouterr().err
    assert ended.value.code == main.EXIT_DEFECT
    assert "KeyError at" in said
    assert "MARKER" not in said


def test_a_setting_that_cannot_be_read_is_named_and_not_quoted(tiprouter: CommandLine) -> None:
    """A wrong environment variable is named; its value is not repeated."""
    done = tiprouter("policy", "show", TIPROUTER_PORT="MARKER")
    assert done.returncode == 1
    assert "TIPROUTER_PORT" in done.stderr
    assert "MARKER" not in done.stderr


def test_going_back_to_an_older_schema_asks_first(tiprouter: CommandLine, tmp_path: Path) -> None:
    """`migrate base` destroys every record: without a person's yes nothing happens."""
    assert tiprouter("migrate", "--data", tmp_path).returncode == 0
    refused = tiprouter("migrate", "base", "--data", tmp_path)
    assert (refused.returncode, "destroys" in refused.stdout) == (1, True)
    asyncio.run(migrations.check(f"sqlite:///{tmp_path}/tiprouter.db"))
    assert tiprouter("migrate", "base", "--yes", "--data", tmp_path).returncode == 0


def test_policy_show_names_digest_and_reasons(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bundle can be read by a person: digest, policies, why, and where from."""
    monkeypatch.setenv("COLUMNS", "200")
    service.show_policy(Settings())
    shown = capsys.readouterr().out
    assert f"digest {bundles.load(shipped('survivor-led')).digest}" in shown
    assert "guard.implicated" in shown
    assert "Rule 9" in shown
