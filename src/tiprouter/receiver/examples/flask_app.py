"""How does a receiver look in Flask? `TIPROUTER_KEYS="whpk_..." flask --app flask_app run`.

As `fastapi_app`; what is different is how Flask hands over headers and the raw body.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, Response, request

from tiprouter.receiver import Desk, Received, VerificationError


def build(desk: Desk, store: Callable[[Received], None]) -> Flask:
    """Return the application; `store` keeps a message durably, or raises."""
    app = Flask(__name__)

    @app.post("/hook")
    def hook() -> Response:
        # get_data before anything else reads the body: it must be the bytes as they came.
        body = request.get_data(cache=False)
        try:
            message = desk.receive(dict(request.headers), body, datetime.now(UTC))
        except VerificationError:
            return Response(status=401)
        if message.answer is not None:
            return Response(message.answer, mimetype="application/json")
        if not message.repeated:
            store(message)
            desk.done(message, datetime.now(UTC))
        return Response(status=204)

    return app


def create_app() -> Flask:
    """Return the application as the environment configures it; it keeps messages as files in the working folder."""
    desk = Desk(os.environ["TIPROUTER_KEYS"].split())
    return build(desk, _write)


def _write(message: Received) -> None:
    Path(f"{message.webhook_id}.json").write_bytes(message.body)
