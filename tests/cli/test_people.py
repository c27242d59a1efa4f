"""People sign in from a terminal, and an operator looks after accounts there: against a running service."""

import asyncio
import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.api.calling import Api
from tests.api.conftest import api
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, serving
from tests.support.staff import CHEAP, PASSWORD, code_of
from tiprouter.cli import signing_in
from tiprouter.cli.main import app
from tiprouter.storage import accounts
from tiprouter.workflow.identity_provider import Client, Provider
from tiprouter.workflow.passwords import Hasher

__all__ = ["api"]

EMAIL = "operator@hotline.example"


async def typed(*words: str, answers: tuple[str, ...] = (), token: str = "") -> Result:
    """A command, and what a person answers when it asks."""
    said = "".join(f"{answer}\n" for answer in answers)
    env = {"TIPROUTER_TOKEN": token}
    return await asyncio.to_thread(CliRunner().invoke, app, list(words), input=said, env=env)


async def redeemed(api: Api, url: str, patch: pytest.MonkeyPatch) -> bytes:
    """Somebody invited and redeemed from terminals; their one-time secret."""
    api.office.front.hasher = Hasher(CHEAP)
    asked = ("people", "--url", url, "invite", EMAIL, "Example Person", "--role", "operator")
    made = await typed(*asked, token=api.tokens["operator"])
    assert made.exit_code == 0, made.output
    invitation = re.findall(r'"invitation": "(ti_[^"]+)"', made.output)[0]
    wrong = await typed("redeem", "--url", url, answers=(invitation, PASSWORD, "another"))
    assert wrong.exit_code != 0
    loop, secrets = asyncio.get_running_loop(), list[bytes]()

    def answer(what: str) -> str:
        """What a person types: the code is that of the secret which they were just shown."""
        if what == "One-time code":
            asked = api.service.database.read(lambda tx: accounts.means(tx, api.service.desk.vault, account_id))
            means = asyncio.run_coroutine_threadsafe(asked, loop).result()
            assert means is not None
            secrets.append(means.one_time)
            return code_of(api.service, means.one_time)
        return invitation if what == "Invitation" else PASSWORD

    account_id = re.findall(r"acc_\w{26}", made.output)[0]
    patch.setattr(signing_in, "_hidden", answer)
    done = await typed("redeem", "--url", url)
    patch.undo()
    assert done.exit_code == 0, done.output
    assert len(re.findall(r"^  [A-Z2-7-]{32}$", done.output, re.MULTILINE)) == 10
    (secret,) = secrets
    api.service.clock.forward(seconds=30)
    return secret


async def test_a_session_is_kept_in_a_file_that_its_owner_alone_reads(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed in, an operator lists people and sessions; a step-up or another password replaces the token."""
    url, file = f"http://127.0.0.1:{api.port}", tmp_path / "session"
    secret = await redeemed(api, url, monkeypatch)
    at = ("--url", url, "--token-file", str(file))
    entered = await typed("sign-in", *at, answers=(EMAIL, PASSWORD, code_of(api.service, secret)))
    assert entered.exit_code == 0, entered.output
    assert PASSWORD not in entered.output
    token = file.read_text().strip()
    assert token.startswith("ts_")
    assert token not in entered.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = await typed("people", *at, "list")
    assert re.search(rf"^acc_\w{{26}}  active  operator  local  2026-03-02  {EMAIL}$", listed.output, re.MULTILINE)
    api.service.clock.forward(seconds=30)
    again = await typed("step-up", *at, answers=(code_of(api.service, secret),))
    assert again.exit_code == 0, again.output
    assert file.read_text().strip() != token
    own = re.findall(r"^acc_\w{26}", listed.output, re.MULTILINE)[0]
    assert (await typed("people", *at, "end", own)).exit_code != 0
    api.service.clock.forward(seconds=30)
    elsewhere = ("--url", url, "--token-file", str(tmp_path / "elsewhere"))
    await typed("sign-in", *elsewhere, answers=(EMAIL, PASSWORD, code_of(api.service, secret)))
    live = await typed("sessions", "list", *at)
    own = re.findall(r"^(ses_\w{26})  \S+  \S+  program(  this one)?$", live.output, re.MULTILINE)
    (lost,) = [session_id for session_id, here in own if not here]
    assert len(own) == 2
    assert "Ended." in (await typed("sessions", "end", lost, *at)).output
    assert (await typed("sessions", "list", *elsewhere)).exit_code != 0
    kept, other = file.read_text(), "silver doors above dry land"
    assert (await typed("change-password", *at, answers=(PASSWORD, other, f"{other}."))).exit_code != 0
    changed = await typed("change-password", *at, answers=(PASSWORD, other, other))
    assert changed.exit_code == 0, changed.output
    assert file.read_text() != kept
    assert other not in changed.output
    out = await typed("sign-out", *at)
    assert out.exit_code == 0, out.output
    assert not file.exists()


async def test_by_way_of_the_provider_the_code_of_the_last_page_is_typed(api: Api, tmp_path: Path) -> None:
    """A wrong code keeps nothing; the printed URL leads to the provider."""
    url, file = f"http://127.0.0.1:{api.port}", tmp_path / "session"
    with serving(FakeProvider(api.service.clock)) as fake:
        client = Client(fake.url, CLIENT_ID, f"{url}/v1/sign-in/oidc/callback", CLIENT_SECRET)
        api.office.front.provider = Provider(client, api.service.clock, api.service.desk.entropy, loopback=True)
        asked = ("sign-in", "--oidc", "--url", url, "--token-file", str(file))
        refused = await typed(*asked, answers=("AAAAAAAA",))
        assert f"{fake.url}/authorize?" in refused.output
        assert refused.exit_code != 0
        assert not file.exists()
