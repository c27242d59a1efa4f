"""Do the demo's agencies accept only what is rightly signed, once? (cli/agency.py)"""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from tiprouter.cli.agency import KEYS_FILE, PORT_FILE, RECEIPTS_FILE, open_hall
from tiprouter.delivery.signing import SigningSecret, generate_ed25519, headers

SECRET = generate_ed25519(b"\x05" * 32)
OTHER = generate_ed25519(b"\x06" * 32)
BODY = b'{"type":"disclosure.made"}'

Post: TypeAlias = Callable[..., int]


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Open a hall with two agencies, of which `slow` is busy once; post a message to one of them."""
    (tmp_path / KEYS_FILE).write_text(json.dumps({"prompt": SECRET.public(), "slow": SECRET.public()}))
    hall = open_hall(tmp_path, {"slow": 1})
    thread = threading.Thread(target=hall.serve_forever, args=(0.01,))
    thread.start()
    assert int((tmp_path / PORT_FILE).read_text()) == hall.server_port

    def send(agency: str, webhook_id: str = "msg_1", secret: SigningSecret = SECRET, age: int = 0) -> int:
        moment = int((datetime.now(UTC) - timedelta(seconds=age)).timestamp())
        connection = http.client.HTTPConnection("127.0.0.1", hall.server_port, timeout=5)
        connection.request("POST", f"/{agency}", BODY, headers(webhook_id, moment, BODY, [secret]))
        status = connection.getresponse().status
        connection.close()
        return status

    yield send
    hall.shutdown()
    thread.join()
    hall.server_close()


def became(folder: Path) -> list[str]:
    """Return what the receipts say."""
    return [json.loads(line)["became"] for line in (folder / RECEIPTS_FILE).read_text().splitlines()]


def test_a_rightly_signed_message_is_accepted_once(post: Post, tmp_path: Path) -> None:
    """Rules 2 and 3: the same webhook-id again is answered 200 and not acted on."""
    assert [post("prompt"), post("prompt"), post("prompt", "msg_2")] == [200, 200, 200]
    assert became(tmp_path) == ["accepted", "duplicate", "accepted"]


@pytest.mark.parametrize(
    ("agency", "secret", "age"), [("prompt", OTHER, 0), ("nobody", SECRET, 0), ("prompt", SECRET, 900)]
)
def test_what_is_not_rightly_signed_is_refused(
    post: Post, tmp_path: Path, agency: str, secret: SigningSecret, age: int
) -> None:
    """Rule 2: another key, an agency without a key, a message that is too old."""
    assert post(agency, secret=secret, age=age) == 401
    assert became(tmp_path) == ["refused"]


def test_a_busy_agency_accepts_the_second_time(post: Post, tmp_path: Path) -> None:
    """Rule 4: 503 first, then the same message is accepted."""
    assert [post("slow"), post("slow")] == [503, 200]
    assert became(tmp_path) == ["busy", "accepted"]
