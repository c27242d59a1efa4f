"""How do people sign in with a browser?

1. Every form comes from our own page: what another site sends is answered with the page, and nothing has happened.
2. What went wrong is told after a redirect, in one of a closed list of sentences.
3. A browser that comes back from the identity provider brings the secret of the round it began, or gets no session.
4. Who shows again who they are, changes their password, ends a session or signs out, sends the word that goes with the
   session.
5. Passwords are taken as they were typed; what else is typed is trimmed.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from tiprouter.api import sessions, sign_in_html
from tiprouter.api.access import Desks
from tiprouter.api.body import Route, read
from tiprouter.api.office import Office
from tiprouter.api.routes.own_account import changed
from tiprouter.api.routes.sign_in import Source, provider_of, stepped_up
from tiprouter.domain.accounts import Carrier, SignInWay
from tiprouter.domain.password import normal
from tiprouter.errors import InvalidError, NotFoundError, TiprouterError, UnavailableError
from tiprouter.workflow import local_sign_in, own_account, rounds, signing_in
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.local_sign_in import InvitationError, Said
from tiprouter.workflow.own_account import Change
from tiprouter.workflow.rounds import Answer, RoundError
from tiprouter.workflow.signing_in import NoSessionError, Opened, OtherWayError
from tiprouter.workflow.standing import StepUpNeededError
from tiprouter.workflow.trying import SignInRefusedError, ThrottledError

router = APIRouter(route_class=Route, tags=["sign-in"], default_response_class=HTMLResponse)

_FORM: Final = "application/x-www-form-urlencoded"
_BYTES_MAX, _FIELDS_MAX = 16_384, 8
_AS_TYPED: Final = frozenset({"password", "new_password"})
_SEE_OTHER: Final = 303
_TOLD: Final[dict[type[TiprouterError], str]] = {
    SignInRefusedError: "refused",
    NoSessionError: "again",
    OtherWayError: "refused",
    ThrottledError: "wait",
    InvitationError: "invitation",
    RoundError: "again",
    UnavailableError: "unavailable",
    StepUpNeededError: "stale",
    NotFoundError: "ended",
}
Form = dict[str, str]
_GONE_ON: Final[dict[int | str, dict[str, Any]]] = {303: {"description": "To the page, which says what came of it."}}


@router.get("/sign-in", operation_id="showSignIn")
async def show_sign_in(request: Request, office: Desks) -> Response:
    """The page on which people sign in, show again who they are, and sign out."""
    said = request.query_params.get("said")
    actor = await sessions.signed_in(request)
    token = sessions.cookie_token(request)
    if actor is None or token is None:
        return _html(sign_in_html.front(said=said, provider=office.front.provider is not None))
    desk = office.desk
    _, account = await office.database.read(lambda tx: signing_in.mine(tx, actor, desk.now()))
    live = await office.database.read(lambda tx: own_account.live_sessions(tx, desk, actor))
    shown = [(one.id, one.started_at, one.seen_at, one.carrier, one.id == actor.session) for one in live]
    local = account.way is SignInWay.LOCAL
    word = sessions.csrf_of(token)
    return _html(sign_in_html.inside(role=actor.role, local=local, word=word, said=said, live=shown))


@router.post("/sign-in", operation_id="signInByForm", responses=_GONE_ON)
async def sign_in_by_form(request: Request, office: Desks, source: Source) -> Response:
    """Sign in with name, password and code; the session goes into a cookie."""

    async def act(form: Form) -> Response:
        said = Said(_of(form, "name"), _of(form, "password"), _of(form, "code"), _of(form, "recovery_code"))
        opened = await local_sign_in.sign_in(
            office.database, office.desk, office.front.hasher, said, source, Carrier.BROWSER
        )
        return _with_session(request, opened, _to("/sign-in"))

    return await _heard(request, office, act)


@router.post("/sign-in/oidc", operation_id="signInByProvider", responses=_GONE_ON)
async def sign_in_by_provider(request: Request, office: Desks, source: Source) -> Response:
    """Begin to sign in by way of the identity provider, with an invitation or without."""

    async def act(form: Form) -> Response:
        return await _leave(request, office, source, _of(form, "invitation"), None)

    return await _heard(request, office, act)


@router.post("/sign-in/invitation", operation_id="redeemByForm", responses=_GONE_ON)
async def redeem_by_form(request: Request, office: Desks, source: Source) -> Response:
    """Choose a password; the page then shows the secret of one-time codes."""

    async def act(form: Form) -> Response:
        invitation = _of(form, "invitation")
        found = await local_sign_in.redeem(
            office.database, office.desk, office.front.hasher, invitation, _of(form, "password"), source
        )
        return _html(sign_in_html.one_time(link=found.link, secret=found.secret, invitation=invitation))

    return await _heard(request, office, act)


@router.post("/sign-in/invitation/confirm", operation_id="confirmByForm", responses=_GONE_ON)
async def confirm_by_form(request: Request, office: Desks, source: Source) -> Response:
    """Show a one-time code; the page then shows the recovery codes."""

    async def act(form: Form) -> Response:
        _, codes = await office.database.write(
            lambda tx: local_sign_in.confirm(tx, office.desk, _of(form, "invitation"), _of(form, "code"), source)
        )
        return _html(sign_in_html.recovery(codes))

    return await _heard(request, office, act)


@router.post("/sign-in/step-up", operation_id="stepUpByForm", responses=_GONE_ON)
async def step_up_by_form(request: Request, office: Desks, source: Source) -> Response:
    """Show again who you are by a one-time code; the cookie holds another token from then on."""

    async def act(form: Form) -> Response:
        opened = await stepped_up(office, await _holder(request, form), _of(form, "code"), source)
        return _with_session(request, opened, _to("/sign-in?said=fresh"))

    return await _heard(request, office, act)


@router.post("/sign-in/step-up/oidc", operation_id="stepUpByProvider", responses=_GONE_ON)
async def step_up_by_provider(request: Request, office: Desks, source: Source) -> Response:
    """Begin to show again who you are by way of the identity provider."""

    async def act(form: Form) -> Response:
        return await _leave(request, office, source, "", await _holder(request, form))

    return await _heard(request, office, act)


@router.post("/sign-in/password", operation_id="changePasswordByForm", responses=_GONE_ON)
async def change_password_by_form(request: Request, office: Desks, source: Source) -> Response:
    """Choose another password; the cookie holds another token from then on, every other session ends."""

    async def act(form: Form) -> Response:
        change = Change(_of(form, "password"), _of(form, "new_password"))
        opened = await changed(office, await _holder(request, form), change, source)
        return _with_session(request, opened, _to("/sign-in?said=changed"))

    return await _heard(request, office, act)


@router.post("/sign-in/session/end", operation_id="endSessionByForm", responses=_GONE_ON)
async def end_session_by_form(request: Request, office: Desks) -> Response:
    """End one of your own sessions."""

    async def act(form: Form) -> Response:
        actor, session_id = await _holder(request, form), _of(form, "session")
        await office.database.write(lambda tx: own_account.end_session(tx, office.desk, actor, session_id))
        return _to("/sign-in?said=ended")

    return await _heard(request, office, act)


@router.post("/sign-out", operation_id="signOutByForm", responses=_GONE_ON)
async def sign_out_by_form(request: Request, office: Desks) -> Response:
    """End this session, or every one of the account."""

    async def act(form: Form) -> Response:
        actor = await _holder(request, form)
        everywhere = _of(form, "everywhere") == "yes"
        await office.database.write(lambda tx: signing_in.sign_out(tx, office.desk, actor, everywhere=everywhere))
        response = _to("/sign-in?said=out")
        sessions.drop(request, response)
        return response

    return await _heard(request, office, act)


@router.get("/v1/sign-in/oidc/callback", operation_id="finishAtProvider", responses=_GONE_ON)
async def come_back(request: Request, office: Desks, source: Source) -> Response:
    """Where the identity provider sends people back to: a session for the browser that began, or a terminal's code."""
    said = request.query_params
    if any(len(said.getlist(name)) > 1 for name in ("code", "state", "iss", "error")):
        return _to("/sign-in?said=again")
    answer = Answer(said.get("state", ""), "" if "error" in said else said.get("code", ""), said.get("iss"))
    holder = sessions.round_of(request)
    try:
        provider = provider_of(office)
        returned = await rounds.come_back(office.database, office.desk, provider, answer, holder, source)
    except tuple(_TOLD) as error:
        return _refused(error)
    if returned.opened is None:
        return _html(sign_in_html.handover(returned.handover))
    return _with_session(request, returned.opened, _html(sign_in_html.back()))


async def _heard(request: Request, office: Office, act: Callable[[Form], Awaitable[Response]]) -> Response:
    """Do what a form asks (rules 1, 2)."""
    form = await _form(request, office)
    if form is None or not sessions.same_origin(request):
        return _to("/sign-in?said=again")
    try:
        return await act(form)
    except tuple(_TOLD) as error:
        return _refused(error)
    except InvalidError as error:
        return _to(f"/sign-in?said={'code' if error.pointer == '/code' else 'password'}")


async def _form(request: Request, office: Office) -> Form | None:
    """The form's fields, each once; None where it is none."""
    data = await read(request, _BYTES_MAX, office.patience.body_seconds)
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        return None
    try:
        fields = parse_qsl(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError:
        return None
    return dict(fields) if len(dict(fields)) == len(fields) else None


def _of(form: Form, name: str) -> str:
    said = form.get(name, "")
    return said if name in _AS_TYPED else normal(said).strip()


async def _holder(request: Request, form: Form) -> Actor:
    """Who is signed in in this browser (rule 4). Raises `NoSessionError`."""
    actor = await sessions.signed_in(request, _of(form, "csrf"))
    if actor is None:
        raise NoSessionError
    return actor


async def _leave(request: Request, office: Office, source: str, invitation: str, actor: Actor | None) -> Response:
    provider = provider_of(office)
    begun = await office.database.write(
        lambda tx: rounds.begin(tx, office.desk, source, browser=True, invitation=invitation, actor=actor)
    )
    response = _html(sign_in_html.leave(await provider.address(begun.asking)))
    sessions.keep_round(request, response, begun.holder)
    return response


def _refused(error: TiprouterError) -> Response:
    said = next(_TOLD[one] for one in type(error).__mro__ if one in _TOLD)
    return _to(f"/sign-in?said={said}")


def _with_session(request: Request, opened: Opened, response: Response) -> Response:
    sessions.keep(request, response, opened.token)
    return response


def _html(text: str) -> Response:
    return HTMLResponse(text, 200, {"Content-Security-Policy": sign_in_html.POLICY})


def _to(where: str) -> Response:
    return RedirectResponse(where, _SEE_OTHER)
