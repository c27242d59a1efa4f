"""A person looks after deliveries from a terminal (cli/deliveries.py)."""

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from tests.api.calling import running
from tests.cli.conftest import CommandLine
from tests.support.recovering import dead_letter, police, work
from tests.support.service import open_service
from tiprouter.cli import main
from tiprouter.errors import ConfigurationError, UnavailableError


async def test_a_dead_letter_from_the_list_to_its_replay(tmp_path: Path, tiprouter: CommandLine) -> None:
    """Listed and shown; then a replay is proposed by one credential, refused to it, and confirmed by another."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service, running(service) as api:
        recipient = await police(service)
        _, old_id = await dead_letter(service)

        async def ask(role: str, group: str, *words: str) -> tuple[str, str]:
            here = (group, "--url", f"http://127.0.0.1:{api.port}")
            token = api.tokens[role]
            done = await asyncio.to_thread(lambda: tiprouter(*here, *words, TIPROUTER_TOKEN=token))
            assert done.returncode == (1 if done.stderr else 0)
            return done.stdout, done.stderr

        listed, _ = await ask("operator", "deliveries", "list", "--state", "dead")
        assert listed.startswith(f"{old_id}  exhausted")
        propose = ("propose", recipient.id, "--since", "2026-02-25T00:00:00Z", "--reason", "endpoint_mended")
        proposed, _ = await ask("operator", "replays", *propose)
        replay_id = json.loads(proposed)["id"]
        await ask("operator", "replays", "stop", replay_id)
        narrowed = ("--result", "http_error", "--urgency", "standard")
        _, refused = await ask("operator", "replays", *propose, "--result", "timeout")
        assert "No delivery matches" in refused
        proposed, _ = await ask("operator", "replays", *propose, *narrowed)
        assert (json.loads(proposed)["result"], json.loads(proposed)["urgency"]) == ("http_error", "standard")
        replay_id = json.loads(proposed)["id"]
        nothing, refused = await ask("operator", "replays", "confirm", replay_id)
        assert not nothing
        assert "A second credential confirms a replay" in refused
        confirmed, _ = await ask("reviewer", "replays", "confirm", replay_id)
        assert json.loads(confirmed)["state"] == "running"
        await work(service)
        shown, _ = await ask("operator", "replays", "show", replay_id)
        assert json.loads(shown)["counts"]["sent"] == 1
        _, refused = await ask("operator", "deliveries", "retry", old_id, "--reason", "endpoint_mended")
        assert "Something newer of its matter" in refused
        shown, _ = await ask("reviewer", "deliveries", "show", old_id)
        assert (json.loads(shown)["state"], json.loads(shown)["retry"]) == ("exhausted", "replaced")


def test_without_a_token_nothing_is_asked(tmp_path: Path) -> None:
    """The refusal says where a token comes from; a file that is not there is one line too."""
    none = CliRunner().invoke(main.app, ["deliveries", "list"], env={"TIPROUTER_TOKEN": ""})
    assert isinstance(none.exception, ConfigurationError)
    assert "TIPROUTER_TOKEN" in str(none.exception)
    absent = ["replays", "--token-file", str(tmp_path / "absent"), "show", "rpl_x"]
    assert isinstance(CliRunner().invoke(main.app, absent).exception, ConfigurationError)


def test_a_service_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Nothing listens: the command says so, and shows no token."""
    token = tmp_path / "token"
    token.write_text("tr_example\n")
    words = ["deliveries", "--url", "http://127.0.0.1:9", "--token-file", str(token), "list"]
    done = CliRunner().invoke(main.app, words)
    assert isinstance(done.exception, UnavailableError)
    assert "tr_example" not in str(done.exception)
