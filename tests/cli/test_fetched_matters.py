"""An auditor fetches one matter's signed bundle from the service, under another person's word (cli/matters.py)."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.api.calling import Api, tip
from tests.api.conftest import api
from tiprouter.cli import auditing
from tiprouter.cli.main import app

__all__ = ["api"]


async def typed(api: Api, role: str, *words: str, url: str | None = None) -> tuple[int, str]:
    """What a command ends with and says at the running service, under a role's token."""
    asked = [*words, "--url", url or f"http://127.0.0.1:{api.port}"]
    done = await asyncio.to_thread(CliRunner().invoke, app, asked, env={"TIPROUTER_TOKEN": api.tokens[role]})
    return done.exit_code, f"{done.output}{'' if done.exception is None else done.exception}"


def names_in(folder: Path) -> list[str]:
    """What is in a folder, hidden or not."""
    return sorted(one.name for one in folder.iterdir())


async def record_in(api: Api) -> str:
    """A tip whose entries are in the tree."""
    record: str = (await api.send("intake", "POST", "/v1/tips", tip())).json()["id"]
    await api.service.sequencer.drain()
    return record


async def agreed(api: Api, record: str) -> None:
    """An auditor asked to export it, and another person said yes."""
    asked = await api.send("auditor", "POST", "/v1/second-words", {"act": "export", "subject": record})
    assert asked.status_code == 201, asked.text
    said = await api.send("counsel", "POST", f"/v1/second-words/{asked.json()['id']}/say", {})
    assert said.status_code == 200, said.text


async def test_a_matter_is_fetched_once_another_said_yes(api: Api, tmp_path: Path) -> None:
    """Rules 1-3: not before; then whole, for its owner alone, verified by the key; and never over another file."""
    record, out = await record_in(api), tmp_path / "matter.zip"
    code, said = await typed(api, "auditor", "audit", "fetch", record, "--out", str(out))
    assert code == 1, said
    assert [one for one in names_in(tmp_path) if "matter" in one] == []
    await agreed(api, record)
    code, said = await typed(api, "auditor", "audit", "fetch", record, "--out", str(out))
    assert code == 0, said
    assert f"Written: {out.stat().st_size} bytes." in said
    assert out.stat().st_mode & 0o777 == 0o600
    assert auditing.verify(out, api.service.signer.vkey, None) == 0
    assert [one for one in names_in(tmp_path) if "matter" in one] == ["matter.zip"]


async def test_nothing_is_exported_where_nothing_can_be_written(api: Api, tmp_path: Path) -> None:
    """Rule 3: a file that is there, a folder that is not, an id that is none: the service is not asked."""
    record = await record_in(api)
    await agreed(api, record)
    (tmp_path / "there.zip").write_text("something else")
    for out in (tmp_path / "there.zip", tmp_path / "no" / "folder.zip"):
        assert (await typed(api, "auditor", "audit", "fetch", record, "--out", str(out)))[0] == 1
    code, said = await typed(api, "auditor", "audit", "fetch", "../bundles", "--out", str(tmp_path / "a.zip"))
    assert (code, "A record's id" in said) == (1, True)
    assert (tmp_path / "there.zip").read_text() == "something else"
    assert [one for one in names_in(tmp_path) if "zip" in one] == ["there.zip"]
    rows = await api.service.rows("SELECT entry FROM outbox UNION ALL SELECT entry FROM log_entries")
    assert not [row for row in rows if b'"kind":"export.made"' in bytes(row.entry)]


@pytest.mark.parametrize("place", ["/checkpoint?", "http://127.0.0.1:1"])
async def test_another_answer_is_no_bundle(api: Api, tmp_path: Path, place: str) -> None:
    """What answers is no service, or nothing does: said so, and no file is left, hidden or not."""
    record, url = await record_in(api), f"http://127.0.0.1:{api.port}{place}" if place.startswith("/") else place
    code, said = await typed(api, "auditor", "audit", "fetch", record, "--out", str(tmp_path / "a.zip"), url=url)
    assert code == 1, said
    assert [one for one in names_in(tmp_path) if "zip" in one] == []
