"""How does one person get another's word for what they are about to do?

1. One asks: which act, done to what. Nothing happens yet; it is over after the act's time, said or not.
2. Another person whose role may say it says yes, having just shown who they are. Nothing happens by that either.
3. Whoever asked does it, by the act's own route, within the time: nobody else by their word, least of all who said it.
   A key and a roll-back take a word each; a matter may be exported again until the time is over, each time logged.
   The word of whoever was ended since counts no more (`workflow/separation.py`, rule 7).
4. Anybody who may ask for an act or say it takes it back, alone, at once, also after it was said.
5. What is not one's role's is not there, exactly as what nobody ever asked.
6. Asked, said, taken back: each leaves an entry, and the entry of what was done names the word it rests on.
7. The house is told when one begins to wait, by ids and fixed sentences; a roll-back's is urgent. Once it was said or
   taken back, or its time is over, nobody is paged for it any more (`workflow/paging.py`).

There is no emergency in which one person does one of these over the API; `workflow/separation.py` says who is alone.
Two who agree need a minute. What one person may at once is what sends less: suspend an agency, hold, stop, revoke.

Who counts as another person is `workflow/separation.py`'s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.notice_reasons import ROLL_BACK_ASKED, WORD_ASKED
from tiprouter.domain.second_word_states import UNENDED, ByTwo, SecondWordEvent, SecondWordState, next_second_word_state
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import bundles, records, registry, second_words
from tiprouter.storage.database import Transaction
from tiprouter.storage.second_words import SecondWord
from tiprouter.workflow import separation
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment
from tiprouter.workflow.inquiry import Page
from tiprouter.workflow.separation import Act, OnePersonError, require_another, word
from tiprouter.workflow.standing import require_fresh

_OPERATOR, _COUNSEL, _CUSTODIAN = CallerRole.OPERATOR, CallerRole.COUNSEL, CallerRole.CUSTODIAN
_REVIEWER, _AUDITOR = CallerRole.REVIEWER, CallerRole.AUDITOR


class SecondWordNeededError(ConflictError):
    """Another person says yes to this first; ask for it under /v1/second-words."""


class WordEndedError(ConflictError):
    """It does not wait for this any more; look at it again."""


class KeyAskedByYouError(OnePersonError):
    """Another operator or a custodian says yes to a new signing key; you asked for it."""

    act = Act.KEY


class ExportAskedByYouError(OnePersonError):
    """Another reviewer, auditor or counsel says yes to an export; you asked for it."""

    act = Act.EXPORT


class RollBackAskedByYouError(OnePersonError):
    """Another operator or counsel says yes to a roll-back; you asked for it."""

    act = Act.ROLL_BACK


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may ask for an act and who may say yes, how long that lasts, and whether one word is for one time.

    `notice` is the reason by which the house is told that one waits.
    """

    asks: frozenset[CallerRole]
    says: frozenset[CallerRole]
    lasts: timedelta
    once: bool
    notice: str
    subject: Callable[[Transaction, str | None], str | None]
    refusal: type[OnePersonError]


def _recipient(tx: Transaction, subject: str | None) -> str | None:
    return None if subject is None or registry.load(tx, subject) is None else subject


def _record(tx: Transaction, subject: str | None) -> str | None:
    return None if subject is None or not records.known(tx, subject) else subject


def _in_force(tx: Transaction, subject: str | None) -> str | None:
    """What a roll-back leaves: once another bundle is active, a word for it is of no use."""
    active = bundles.active(tx)
    return active if subject in (None, active) else None


TERMS: Final[Mapping[ByTwo, Terms]] = MappingProxyType(
    {
        ByTwo.KEY: Terms(
            asks=frozenset({_OPERATOR}),
            says=frozenset({_OPERATOR, _CUSTODIAN}),
            lasts=timedelta(hours=24),
            once=True,
            notice=WORD_ASKED,
            subject=_recipient,
            refusal=KeyAskedByYouError,
        ),
        ByTwo.EXPORT: Terms(
            asks=frozenset({_AUDITOR, _REVIEWER}),
            says=frozenset({_AUDITOR, _REVIEWER, _COUNSEL}),
            lasts=timedelta(hours=24),
            once=False,
            notice=WORD_ASKED,
            subject=_record,
            refusal=ExportAskedByYouError,
        ),
        ByTwo.ROLL_BACK: Terms(
            asks=frozenset({_OPERATOR, _COUNSEL}),
            says=frozenset({_OPERATOR, _COUNSEL}),
            lasts=timedelta(hours=1),
            once=True,
            notice=ROLL_BACK_ASKED,
            subject=_in_force,
            refusal=RollBackAskedByYouError,
        ),
    }
)


def ask(tx: Transaction, desk: Desk, actor: Actor, act: ByTwo, subject: str | None) -> SecondWord:
    """Ask for another person's word (rules 1 and 7). Raises `InvalidError`."""
    with happening(tx, desk, actor) as it:
        terms = TERMS[act]
        if actor.role not in terms.asks:
            raise InvalidError("This is nobody's of your role to do.", "/act")
        found = terms.subject(tx, subject)
        if found is None:
            raise InvalidError("This field names nothing that this can be done to.", "/subject")
        until = it.now + terms.lasts
        made = SecondWord(it.id("wrd"), act, found, SecondWordState.ASKED, until, actor.id, it.now)
        second_words.add(tx, made)
        it.log(Kind.WORD_ASKED, _about(made) | {"until": moment(made.until)})
        it.tell(terms.notice, made.id, None, made.until)
        return made


def say(tx: Transaction, desk: Desk, actor: Actor, word_id: str) -> SecondWord:
    """Say yes to what another person asked (rule 2).

    Raises `NotFoundError`, `WordEndedError`, a `OnePersonError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        found = _held(it, word_id)
        terms = TERMS[found.act]
        if actor.role not in terms.says:
            raise NotFoundError
        if not found.waits(it.now):
            raise WordEndedError
        require_another(it, terms.refusal, found.asked_by)
        done = replace(found, state=_next(found, SecondWordEvent.SAY), said_by=actor.id, said_at=it.now)
        second_words.change(tx, found.id, state=done.state, said_by=actor.id, said_at=it.now)
        it.log(Kind.WORD_SAID, _about(found) | {"proposer": found.asked_by})
        return done


def withdraw(tx: Transaction, desk: Desk, actor: Actor, word_id: str) -> SecondWord:
    """Take it back (rule 4). Raises `NotFoundError`, `WordEndedError`."""
    with happening(tx, desk, actor) as it:
        found = _held(it, word_id)
        if found.state not in UNENDED or it.now >= found.until:
            raise WordEndedError
        it.log(Kind.WORD_WITHDRAWN, _about(found) | {"state": found.state.value})
        return _ended(it, found, SecondWordEvent.WITHDRAW)


def read(tx: Transaction, desk: Desk, actor: Actor, word_id: str) -> SecondWord:
    """One of them, as it stands (rule 5). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        found = _theirs_only(it, second_words.load(tx, word_id))
        seen(it, "second-word", 1, word_id)
        return found


def listed(
    tx: Transaction, desk: Desk, actor: Actor, after: str | None, limit: int, *, waiting: bool = False
) -> Page[SecondWord]:
    """What was asked of the acts of one's role, newest first; all, or what still waits to be said (rule 5)."""
    with happening(tx, desk, actor) as it:
        acts = [act for act in TERMS if _theirs(act, actor)]
        rows = second_words.page(tx, acts, after, limit + 1, it.now if waiting else None)
        kept = tuple(rows[:limit])
        seen(it, "second-words", len(kept), asked=["waiting=true"] if waiting else None)
        return Page(kept, kept[-1].id if len(rows) > limit else None)


def require_word(it: Happening, act: ByTwo, subject: str) -> dict[str, str | bool | None]:
    """Let the actor do this who has another person's word for it, or is alone; what its entry says of that (rule 3).

    Raises `SecondWordNeededError`.
    """
    terms = TERMS[act]
    said = word(it, terms.says)
    if not said.waits:
        return {"alone": said.alone}
    me = separation.person(it.tx, it.actor.id)
    for found in second_words.said(it.tx, act, subject, it.now):
        # Persons may turn out to be one later on (an account of whoever set the house up): both are compared now.
        asked, second = (separation.person(it.tx, one or me) for one in (found.asked_by, found.said_by))
        if asked == me != second and not separation.ended(it.tx, found.said_by or me):
            if terms.once:
                _ended(it, found, SecondWordEvent.USE)
            return {"word": found.id}
    raise SecondWordNeededError


def _about(made: SecondWord) -> dict[str, str]:
    return {"word": made.id, "act": made.act, "subject": made.subject}


def _theirs(act: ByTwo, actor: Actor) -> bool:
    return actor.role in TERMS[act].asks | TERMS[act].says


def _held(it: Happening, word_id: str) -> SecondWord:
    return _theirs_only(it, second_words.hold(it.tx, word_id))


def _theirs_only(it: Happening, found: SecondWord | None) -> SecondWord:
    if found is None or not _theirs(found.act, it.actor):
        raise NotFoundError
    return found


def _ended(it: Happening, found: SecondWord, event: SecondWordEvent) -> SecondWord:
    done = replace(found, state=_next(found, event), ended_by=it.actor.id, ended_at=it.now)
    second_words.change(it.tx, found.id, state=done.state, ended_by=done.ended_by, ended_at=done.ended_at)
    return done


def _next(found: SecondWord, event: SecondWordEvent) -> SecondWordState:
    return next_second_word_state(found.state, event)
