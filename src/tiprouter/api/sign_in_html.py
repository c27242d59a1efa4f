"""What do the pages look like on which people sign in?

1. Static HTML: no script, nothing from elsewhere, one style whose hash the policy names. They work with everything else
   switched off.
2. Everything that is not our own words is escaped. What went wrong is one of a closed list of sentences.
3. Password fields may be pasted into, and say to password managers what they are.
"""

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

Live = tuple[str, datetime, datetime, str | None, bool]
"""A session on its holder's page: its id, since when, last used when, what carries it, and whether it is this one."""

SAID: Final[Mapping[str, str]] = {
    "refused": "That was not right, or the account cannot be used.",
    "wait": "There were too many tries. Wait a while, or use a recovery code.",
    "password": "Choose another password: at least eight characters, not a common one, and without your name.",
    "code": "That was not the code of this moment. Try the next one.",
    "invitation": "This invitation is unknown, was used, or ran out. Ask for another one.",
    "again": "This sign-in was not begun in this browser, or ran out. Begin again.",
    "out": "You are signed out.",
    "stale": "Show again who you are, then ask again.",
    "changed": "Your password is changed. Every other session has ended.",
    "ended": "That session has ended.",
    "fresh": "You have shown again who you are. It holds for fifteen minutes.",
    "unavailable": "The service cannot do this at this moment. Try again shortly.",
}

STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem;margin-bottom:0}h2{font-size:1.05rem;margin:2rem 0 0}p{margin:.5rem 0}"
    "label{display:block;margin:.75rem 0 0}input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}"
    "button,a.button{font:inherit;display:inline-block;margin:1rem .5rem 0 0;padding:.5rem 1rem;cursor:pointer}"
    "a.button{border:1px solid;border-radius:4px;text-decoration:none;color:inherit}"
    ".said{border-left:4px solid #b45309;padding:.25rem .75rem;margin-top:1rem}"
    "code{font-size:1.05em;overflow-wrap:anywhere}summary{cursor:pointer;margin-top:1.5rem}hr{margin-top:2rem}"
)


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


POLICY: Final = _policy()


def front(*, said: str | None, provider: bool) -> str:
    """The page of who is not signed in: both ways in, and invitations."""
    name = _field("name", "E-mail address", "email", "username")
    known = _field("password", "Password", "password", "current-password")
    code = _field("code", "One-time code", "text", "one-time-code", needed=False)
    spare = _field("recovery_code", "Recovery code, in its place", "text", "off", needed=False)
    new = _field("password", "New password", "password", "new-password")
    invitation = _field("invitation", "Invitation", "text", "off")
    own = _form("/sign-in", name + known + code + _folded("Without your phone?", spare), "Sign in")
    other = _form("/sign-in/oidc", "", "Sign in with your organisation") if provider else ""
    redeem = _form("/sign-in/invitation", invitation + new, "Choose this password")
    bind = _form("/sign-in/oidc", invitation, "Use it with your organisation") if provider else ""
    invited = _folded("I have an invitation", redeem + bind)
    return _page("Sign in", f"{_said(said)}{other}{own}<hr>{invited}")


def inside(*, role: str, local: bool, word: str, said: str | None, live: Iterable[Live]) -> str:
    """The page of who is signed in: show again who you are, change the password, end sessions, and sign out."""
    code = _field("code", "One-time code", "text", "one-time-code") if local else ""
    where = "/sign-in/step-up" if local else "/sign-in/step-up/oidc"
    again = _form(where, _hidden(word) + code, "Show again who I am")
    out = _form("/sign-out", _hidden(word), "Sign out") + _form(
        "/sign-out", _hidden(word) + '<input type="hidden" name="everywhere" value="yes">', "Sign out everywhere"
    )
    change = _folded("Change my password", _change(word)) if local else ""
    mine = _folded("My sessions", "".join(_session(one, word) for one in live))
    told = f"{_said(said)}<p>You are signed in as {html.escape(role)}.</p>"
    return _page("Signed in", f"{told}{again}{change}{mine}<hr>{out}")


def _change(word: str) -> str:
    now = _field("password", "Password", "password", "current-password")
    new = _field("new_password", "New password", "password", "new-password")
    return _form("/sign-in/password", _hidden(word) + now + new, "Change it, and end every other session")


def _session(one: Live, word: str) -> str:
    session_id, started_at, seen_at, carrier, here = one
    told = f"Since {started_at:%Y-%m-%d %H:%M} UTC, used {seen_at:%H:%M}, by a {html.escape(carrier or 'session')}"
    if here:
        return f"<p>{told}: this one.</p>"
    named = f'<input type="hidden" name="session" value="{html.escape(session_id)}">'
    return f"<p>{told}.</p>{_form('/sign-in/session/end', _hidden(word) + named, 'End it')}"


def one_time(*, link: str, secret: str, invitation: str) -> str:
    """The page that shows the secret of one-time codes, once."""
    shown = (
        f"<p>Put this secret into your authenticator app, then type the code that it shows.</p>"
        f"<p><code>{html.escape(secret)}</code></p>"
        f'<p><a href="{html.escape(link)}">Open it in an app on this device</a></p>'
    )
    hidden = f'<input type="hidden" name="invitation" value="{html.escape(invitation)}">'
    code = _field("code", "One-time code", "text", "one-time-code")
    return _page("One-time codes", shown + _form("/sign-in/invitation/confirm", hidden + code, "Confirm"))


def recovery(codes: tuple[str, ...]) -> str:
    """The page that shows the recovery codes, once."""
    listed = "".join(f"<li><code>{html.escape(code)}</code></li>" for code in codes)
    return _page(
        "Recovery codes",
        f"<p>Each of these stands in once for a one-time code. Print them; they are not shown again.</p>"
        f'<ol>{listed}</ol><p><a class="button" href="/sign-in">Go on to sign in</a></p>',
    )


def leave(url: str) -> str:
    """The page that leads to the identity provider: a link, so that the policy need not name it."""
    link = f'<a class="button" rel="noreferrer" href="{html.escape(url)}">Go on to your organisation</a>'
    return _page("Sign in", f"<p>Your organisation asks who you are.</p><p>{link}</p>")


def back() -> str:
    """The page of who came back from the identity provider and is signed in; a link, so that the cookie goes along."""
    return _page("Signed in", '<p>You are signed in.</p><p><a class="button" href="/sign-in">Go on</a></p>')


def handover(code: str) -> str:
    """The page with the code for a terminal."""
    return _page(
        "Almost there",
        f"<p>Type this code into the terminal in which you began:</p><p><code>{html.escape(code)}</code></p>"
        "<p>If you did not begin this yourself, close this page and tell your operator: somebody tries to sign in as"
        " you.</p>",
    )


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - tiprouter</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )


def _form(where: str, fields: str, button: str) -> str:
    return f'<form method="post" action="{where}">{fields}<button>{button}</button></form>'


def _field(name: str, label: str, kind: str, meaning: str, *, needed: bool = True) -> str:
    rest = ' required maxlength="1024"' if needed else ' maxlength="60"'
    return f'<label>{label}<input name="{name}" type="{kind}" autocomplete="{meaning}"{rest}></label>'


def _hidden(word: str) -> str:
    return f'<input type="hidden" name="csrf" value="{html.escape(word)}">'


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>{body}</details>"


def _said(said: str | None) -> str:
    told = SAID.get(said or "")
    return "" if told is None else f'<p class="said" role="status">{told}</p>'
