"""The pretend agency answers what the router asks, over real sockets, with a real worker."""

import asyncio
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.support.fictional import agency, person, tip
from tests.support.service import OPERATOR, open_service
from tiprouter.cli.agency import KEYS_FILE, RECEIPTS_FILE, open_hall
from tiprouter.delivery.sender import Sender
from tiprouter.workflow import enrolment
from tiprouter.workflow.worker import Worker


async def test_a_worker_asks_an_endpoint_and_then_delivers(tmp_path: Path) -> None:
    """Registered, challenged, verified, and only then sent what waited; the challenge is no receipt."""
    hall = open_hall(tmp_path, {})
    serving = threading.Thread(target=hall.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
            service.desk = replace(
                service.desk, sandbox=True, verify_endpoints=True, now=lambda: datetime.now(UTC), entropy=os.urandom
            )
            wanted = agency(url=f"http://127.0.0.1:{hall.server_port}/police")
            done = await service.database.write(lambda tx: enrolment.register(tx, service.desk, OPERATOR, wanted))
            (tmp_path / KEYS_FILE).write_text(json.dumps({"police": done.verification_key}))
            now = datetime.now(UTC)
            await service.accept(tip(person(years=12), received_at=now, signaled_at=now))
            async with Sender(sandbox=True) as sender:
                worker = Worker(service.database, service.desk, sender)
                running = asyncio.create_task(worker.run())
                for _ in range(200):
                    if await service.rows("select id from deliveries where state = 'delivered'"):
                        break
                    await asyncio.sleep(0.1)
                worker.stop()
                await running
            assert await service.rows("select state from endpoints") == [("verified",)]
            assert await service.rows("select form, result from endpoint_messages") == [("challenge", "proved")]
    finally:
        hall.shutdown()
        hall.server_close()
        serving.join()
    receipts = [json.loads(line) for line in (tmp_path / RECEIPTS_FILE).read_text().splitlines()]
    assert [one["body"]["type"] for one in receipts] == ["disclosure.made"]
