"""One person asks for another's word from a terminal, and the other gives or refuses it (cli/second_words.py)."""

import asyncio
import json
import re

import pytest
from typer.testing import CliRunner

from tests.api.calling import Api, tip
from tests.api.conftest import api
from tiprouter.cli.main import app

__all__ = ["api"]

_LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")


async def typed(api: Api, role: str, *words: str, code: int = 0) -> str:
    """What a command says at the running service, under a role's token; the service's own log is not it."""
    asked = ["second-words", "--url", f"http://127.0.0.1:{api.port}", *words]
    done = await asyncio.to_thread(CliRunner().invoke, app, asked, env={"TIPROUTER_TOKEN": api.tokens[role]})
    assert done.exit_code == code, done.output
    return "".join(line for line in done.output.splitlines(keepends=True) if not _LOGGED.match(line))


async def test_an_export_from_the_asking_to_the_file(api: Api) -> None:
    """Rule 2: one line holds the id, the end and the other's very command; the other's answer says what to do now."""
    record = (await api.send("intake", "POST", "/v1/tips", tip())).json()["id"]
    asked = await typed(api, "auditor", "ask", "export", record)
    assert asked.count("\n") == 1
    found = re.fullmatch(
        r"(wrd_\w{26}) waits until (\S+Z) for another person's word; they type: tiprouter (.+)\n", asked
    )
    assert found, asked
    word, until, command = found.groups()
    assert command == f"second-words say {word}"
    listed = (await typed(api, "counsel", "list")).split()
    assert listed[:5] == [word, "export", record, "asked", until]
    said = await typed(api, "counsel", *command.split()[1:])
    may = rf"{word} is said; \w+ may do it until {until}: tiprouter audit fetch {record} --out FILE\n"
    assert re.fullmatch(may, said), said
    await api.service.sequencer.drain()
    assert (await api.send("auditor", "GET", f"/v1/matters/{record}/audit-bundle")).status_code == 200
    assert (await typed(api, "counsel", "list")) == ""
    assert (await typed(api, "counsel", "list", "--every")).split()[3] == "said"


async def test_another_person_refuses_a_roll_back(api: Api) -> None:
    """It is over at once; it is shown as it stands, and not to a role that has nothing to do with it."""
    asked = await typed(api, "counsel", "ask", "roll-back")
    word = asked.split()[0]
    assert (await typed(api, "operator", "withdraw", word)) == "Taken back.\n"
    shown = json.loads(await typed(api, "counsel", "show", word))
    assert (shown["state"], shown["act"]) == ("withdrawn", "roll-back")
    for role, command in (("counsel", "say"), ("auditor", "show"), ("auditor", "withdraw")):
        assert (await typed(api, role, command, word, code=1)) == ""


@pytest.mark.parametrize("act", ["key", "everything"])
async def test_what_cannot_be_asked_is_refused_by_the_service(api: Api, act: str) -> None:
    """Rule 1: a key of no agency, an act that there is not; nothing waits then."""
    assert (await typed(api, "operator", "ask", act, code=1)) == ""
    assert (await typed(api, "operator", "list", "--every")) == ""
