"""How does somebody who is signed in change their password, and look after their sessions?

No answer here is stored for a replay, like those of `routes/sign_in.py`: one holds a token that is shown once.
"""

from fastapi import APIRouter, Request, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.office import Office
from tiprouter.api.routes.paths import SessionId
from tiprouter.api.routes.sign_in import Source, made
from tiprouter.api.schemas.own_account import LiveSession, PasswordChangeWanted, SessionList
from tiprouter.api.schemas.people import SessionMade
from tiprouter.workflow import own_account
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.own_account import Change
from tiprouter.workflow.signing_in import NoSessionError, Opened

router = APIRouter(route_class=Route, tags=["sign-in"])


@router.post("/v1/session/password", status_code=200, operation_id="changePassword", response_model=SessionMade)
async def change_password(
    request: Request, body: PasswordChangeWanted, office: Desks, actor: Caller, source: Source
) -> Response:
    """Choose another password. Every other session ends, this one goes on under another token; the old one ends."""
    return made(request, await changed(office, actor, Change(body.current_password, body.new_password), source))


@router.get("/v1/sessions", operation_id="listSessions", response_model=SessionList)
async def list_sessions(office: Desks, actor: Caller) -> Response:
    """Your own live sessions: since when, last used when, in a browser or not."""
    found = await office.database.read(lambda tx: own_account.live_sessions(tx, office.desk, actor))
    await office.tally.read(office.database, office.desk, actor, "sessions")
    items = tuple(LiveSession.of(one, actor.session) for one in found)
    return Response(SessionList(items=items).rendered(), 200, None, "application/json")


@router.delete("/v1/sessions/{session_id}", status_code=204, operation_id="endSession")
async def end_session(session_id: SessionId, office: Desks, actor: Caller) -> Response:
    """End one of your own sessions at once."""
    await office.database.write(lambda tx: own_account.end_session(tx, office.desk, actor, session_id))
    return Response(status_code=204)


async def changed(office: Office, actor: Actor, change: Change, source: str) -> Opened:
    """Choose another password; raises as `own_account.change_password` does."""
    if actor.session is None:
        raise NoSessionError
    return await own_account.change_password(office.database, office.desk, office.front.hasher, actor, change, source)
