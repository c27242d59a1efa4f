"""Does a process that stands by for the log end when it is told to, whatever it was doing? (wiring/log_keeper.py)"""

import asyncio
import threading
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.fictional import agency
from tests.support.service import open_service
from tiprouter.audit import folder
from tiprouter.audit.tiles import Tile
from tiprouter.audit.verify import verify_folder
from tiprouter.settings import Settings
from tiprouter.storage.keeping import keeping_the_log
from tiprouter.wiring.house import House
from tiprouter.wiring.log_keeper import LogKeeper

LONG_SECONDS = 30


async def test_who_stands_by_ends_while_its_copy_is_brought_up_to_date(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 4: a copy far behind on a slow disk keeps nobody waiting; it stays the beginning of the log that it was."""
    url = await postgres.new_database(postgres_url, migrated=True)
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    write = folder.publish

    def slow(where: Path, files: dict[Tile, bytes], note: bytes, vkey: str) -> None:
        begun.set()
        go_on.wait(LONG_SECONDS)
        try:
            write(where, files, note, vkey)
        finally:
            ended.set()

    async with (
        open_service(url, tmp_path / "kept") as service,
        keeping_the_log(url, tmp_path / "one.lock") as taken,
        keeping_the_log(url, tmp_path / "two.lock") as free,
    ):
        await service.enrol(agency())
        await service.check_house()
        assert await taken.take()
        monkeypatch.setattr(folder, "publish", slow)
        settings = Settings(data=tmp_path / "standing-by", database_url=url)
        keeper = LogKeeper(House(settings, service.database, service.desk, service.signer), free)
        running = asyncio.create_task(keeper.run())
        try:
            assert await asyncio.to_thread(begun.wait, LONG_SECONDS)
            keeper.stop()
            await asyncio.wait({running}, timeout=LONG_SECONDS / 3)
            assert running.done()
        finally:
            go_on.set()
        await running
        # A process would end with its threads.
        assert await asyncio.to_thread(ended.wait, LONG_SECONDS)
        monkeypatch.setattr(folder, "publish", write)
        again = LogKeeper(House(settings, service.database, service.desk, service.signer), taken)
        assert await again.begin()
        assert verify_folder(settings.log_folder, service.signer.vkey).ok
    await postgres.drop_database(url)
