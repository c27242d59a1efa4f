"""How does a receiver look in FastAPI? `TIPROUTER_KEYS="whpk_..." uvicorn --factory fastapi_app:create_app`.

`TIPROUTER_KEYS` holds the keys to verify with, blanks between; `TIPROUTER_PRIVATE_KEYS` a file of private JWKs, one a
line, and `TIPROUTER_RECIPIENT` your id at the router, if messages come encrypted.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, Request, Response

from tiprouter.receiver import Desk, Received, VerificationError


def build(desk: Desk, store: Callable[[Received], None]) -> FastAPI:
    """Return the application; `store` keeps a message durably, or raises."""
    app = FastAPI(openapi_url=None)

    @app.post("/hook")
    async def hook(request: Request) -> Response:
        body = await request.body()
        try:
            message = desk.receive(request.headers, body, datetime.now(UTC))
        except VerificationError:
            return Response(status_code=401)
        if message.answer is not None:
            return Response(message.answer, media_type="application/json")
        if not message.repeated:
            # If this raises, the answer is 500 and the router comes again; `done` was not said, so it is new then too.
            store(message)
            desk.done(message, datetime.now(UTC))
        return Response(status_code=204)

    return app


def create_app() -> FastAPI:
    """Return the application as the environment configures it; it keeps messages as files in the working folder."""
    private = os.environ.get("TIPROUTER_PRIVATE_KEYS")
    desk = Desk(
        os.environ["TIPROUTER_KEYS"].split(),
        private_keys=Path(private).read_text().splitlines() if private else (),
        recipient_id=os.environ.get("TIPROUTER_RECIPIENT", ""),
    )
    return build(desk, _write)


def _write(message: Received) -> None:
    # A webhook-id of the router is letters, digits, _ and -; of anybody else's it would not have been verified.
    Path(f"{message.webhook_id}.json").write_bytes(message.body)
