"""How do people sign in, show again who they are, and sign out, from a program?

1. No answer here is stored for a replay: it holds a secret that is shown once. So no Idempotency-Key is asked for.
2. Whichever of name, password and code is wrong, the answer is one.
3. A session that came by cookie goes on by cookie: its token is never in a body.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from tiprouter.api import sessions
from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.limits import source
from tiprouter.api.office import Office
from tiprouter.api.schemas.people import (
    InvitationConfirmed,
    InvitationRedeemed,
    OneTimeOffered,
    RecoveryCodes,
    RoundBegun,
    RoundFinished,
    RoundWanted,
    SessionBody,
    SessionMade,
    SignInWanted,
    SignOutWanted,
    StepUpWanted,
)
from tiprouter.workflow import local_sign_in, rounds, signing_in
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.identity_provider import Provider
from tiprouter.workflow.local_sign_in import Said
from tiprouter.workflow.rounds import Begun
from tiprouter.workflow.signing_in import NoSessionError, Opened, OtherWayError
from tiprouter.workflow.trying import SignInRefusedError

router = APIRouter(route_class=Route, tags=["sign-in"])


def source_index(request: Request) -> str:
    """From where a request comes, as a blind index."""
    desk = request.app.state.office.desk
    found: str = desk.blind("sign-in-source", source(request))
    return found


Source = Annotated[str, Depends(source_index)]


@router.post("/v1/invitations/redeem", status_code=200, operation_id="redeemInvitation", response_model=OneTimeOffered)
async def redeem_invitation(body: InvitationRedeemed, office: Desks, source: Source) -> Response:
    """Choose a password. The answer holds the secret of one-time codes; a code of it confirms the invitation."""
    found = await local_sign_in.redeem(
        office.database, office.desk, office.front.hasher, body.invitation, body.password, source
    )
    return _json(OneTimeOffered(link=found.link, secret=found.secret).rendered())


@router.post("/v1/invitations/confirm", status_code=200, operation_id="confirmInvitation", response_model=RecoveryCodes)
async def confirm_invitation(body: InvitationConfirmed, office: Desks, source: Source) -> Response:
    """Show a one-time code: the account is active, the invitation gone. The recovery codes are shown once."""
    account, codes = await office.database.write(
        lambda tx: local_sign_in.confirm(tx, office.desk, body.invitation, body.code, source)
    )
    return _json(RecoveryCodes(id=account.id, role=account.role, recovery_codes=codes).rendered())


@router.post("/v1/sign-in/local", status_code=200, operation_id="signIn", response_model=SessionMade)
async def sign_in(body: SignInWanted, office: Desks, source: Source) -> Response:
    """Sign in with name, password and a one-time code, or a recovery code in its place."""
    said = Said(body.name, body.password, body.code or "", body.recovery_code or "")
    opened = await local_sign_in.sign_in(office.database, office.desk, office.front.hasher, said, source)
    return _json(SessionMade.of(opened).rendered())


@router.post("/v1/sign-in/oidc/begin", status_code=200, operation_id="beginRound", response_model=RoundBegun)
async def begin_round(body: RoundWanted, office: Desks, source: Source) -> Response:
    """Begin to sign in by way of the identity provider: open the URL, then bring back the code that its end shows."""
    provider = provider_of(office)
    begun = await office.database.write(
        lambda tx: rounds.begin(tx, office.desk, source, browser=False, invitation=body.invitation or "")
    )
    return await _told(provider, begun)


@router.post("/v1/sign-in/oidc/finish", status_code=200, operation_id="finishRound", response_model=SessionMade)
async def finish_round(body: RoundFinished, office: Desks, source: Source) -> Response:
    """The session, for the ticket and the code. Both are good once; a wrong code ends the sign-in."""
    del source  # whoever has no ticket cannot ask twice about one
    opened = await office.database.write(lambda tx: rounds.finish(tx, office.desk, body.ticket, body.code))
    if opened is None:
        raise SignInRefusedError
    return _json(SessionMade.of(opened).rendered())


@router.get("/v1/session", operation_id="readSession", response_model=SessionBody)
async def read_session(request: Request, office: Desks, actor: Caller) -> Response:
    """Who is signed in here, until when, and until when they need not show again who they are."""
    session, account = await office.database.read(lambda tx: signing_in.mine(tx, actor, office.desk.now()))
    await office.tally.read(office.database, office.desk, actor, "session")
    token = None if "authorization" in request.headers else sessions.cookie_token(request)
    csrf = None if token is None else sessions.csrf_of(token)
    return _json(SessionBody.of(Opened("", session), account.way, csrf).rendered())


@router.post("/v1/session/step-up", status_code=200, operation_id="stepUp", response_model=SessionMade)
async def step_up(request: Request, body: StepUpWanted, office: Desks, actor: Caller, source: Source) -> Response:
    """Show again who you are by a one-time code. The session goes on under another token, the old one ends."""
    return made(request, await stepped_up(office, actor, body.code, source))


@router.post("/v1/session/step-up/oidc", status_code=200, operation_id="beginStepUpRound", response_model=RoundBegun)
async def begin_step_up(office: Desks, actor: Caller, source: Source) -> Response:
    """Begin to show again who you are by way of the identity provider."""
    if actor.session is None:
        raise NoSessionError
    provider = provider_of(office)
    begun = await office.database.write(lambda tx: rounds.begin(tx, office.desk, source, browser=False, actor=actor))
    return await _told(provider, begun)


@router.post("/v1/sign-out", status_code=204, operation_id="signOut")
async def sign_out(request: Request, office: Desks, actor: Caller, body: SignOutWanted | None = None) -> Response:
    """End this session, or every one of the account."""
    everywhere = body is not None and body.everywhere
    await office.database.write(lambda tx: signing_in.sign_out(tx, office.desk, actor, everywhere=everywhere))
    response = Response(status_code=204)
    sessions.drop(request, response)
    return response


async def stepped_up(office: Office, actor: Actor, code: str, source: str) -> Opened:
    """Make a session fresh by a one-time code. Raises `SignInRefusedError`, `NoSessionError`, `OtherWayError`."""
    desk = office.desk
    tried = await office.database.write(lambda tx: signing_in.begin_step_up(tx, desk, actor, source), quietly=True)
    opened = await office.database.write(lambda tx: signing_in.step_up(tx, desk, actor, tried, code))
    if opened is None:
        raise SignInRefusedError
    return opened


def provider_of(office: Office) -> Provider:
    """The identity provider. Raises `OtherWayError` where there is none."""
    if office.front.provider is None:
        raise OtherWayError
    return office.front.provider


async def _told(provider: Provider, begun: Begun) -> Response:
    url = await provider.address(begun.asking)
    return _json(RoundBegun(url=url, ticket=begun.holder).rendered())


def made(request: Request, opened: Opened) -> Response:
    """A session under another token, in the way that the old one came (rule 3)."""
    by_cookie = "authorization" not in request.headers
    body = SessionMade.of(opened)
    response = _json((body.model_copy(update={"token": ""}) if by_cookie else body).rendered())
    if by_cookie:
        sessions.keep(request, response, opened.token)
    return response


def _json(body: bytes) -> Response:
    return Response(body, 200, None, "application/json")
