"""Which happenings are written down, and which fields may each entry have?

1. Kinds and fields are closed tables. They only ever grow: an entry written today must parse for ever.
2. What the verifier needs to follow a disclosure is demanded of each entry.
3. A kind that no story tells any more stays, for the logs that hold it: it is in `RETIRED`, and nothing writes it.

A new kind is a line in `Kind` and a line in `FIELDS`; ids, enum values and commitments alone, never a word of a person.
"""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What kind of happening an entry is about. Grow only."""

    RECORD_ACCEPTED = "record.accepted"
    RECORD_REVISED = "record.revised"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_REFUSED = "consent.refused"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CONSENT_PENDING = "consent.pending"
    CONSENT_CONFIRMED = "consent.confirmed"
    CONSENT_NARROWED = "consent.narrowed"
    CONSENT_LAPSED = "consent.lapsed"
    RECORD_ERASED = "record.erased"
    SUBJECT_ERASED = "subject.erased"
    ERASURE_REQUESTED = "erasure.requested"
    CONTENT_ERASED = "content.erased"
    RECORD_HELD = "record.held"
    RECORD_RELEASED = "record.released"
    ACCOUNTING_SUSPENDED = "accounting.suspended"
    SUBJECT_NOTICE = "subject.notice"
    RECIPIENT_REGISTERED = "recipient.registered"
    RECIPIENT_CHANGED = "recipient.changed"
    DECISION = "decision"
    DISCLOSURE_MADE = "disclosure.made"
    DISCLOSURE_CANCELLED = "disclosure.cancelled"
    RECALL_MADE = "recall.made"
    ATTEMPT_STARTED = "attempt.started"
    ATTEMPT_FINISHED = "attempt.finished"
    DELIVERY_EXHAUSTED = "delivery.exhausted"
    BREAKER_OPENED = "breaker.opened"
    BREAKER_CLOSED = "breaker.closed"
    ENDPOINT_GONE = "endpoint.gone"
    ENDPOINT_STANDING = "endpoint.standing"
    ENDPOINT_CHANGE = "endpoint.change"
    ENDPOINT_MESSAGE = "endpoint.message"
    ACKNOWLEDGEMENT = "acknowledgement"
    NOTICE = "notice"
    NOTICE_ACKNOWLEDGED = "notice.acknowledged"
    NOTICE_REPEATED = "notice.repeated"
    PAGE_STARTED = "page.started"
    PAGE_FINISHED = "page.finished"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    KEK_ROTATED = "key.rotated"
    KEY_REWRAPPED = "key.rewrapped"
    BUNDLE_LOADED = "bundle.loaded"
    BUNDLE_PROPOSED = "bundle.proposed"
    BUNDLE_CHECKED = "bundle.checked"
    BUNDLE_APPROVED = "bundle.approved"
    BUNDLE_ACTIVATED = "bundle.activated"
    REVIEW_OPENED = "review.opened"
    REVIEW_CLAIMED = "review.claimed"
    REVIEW_DECIDED = "review.decided"
    REVIEW_CONFIRMED = "review.confirmed"
    FACT_ESTABLISHED = "fact.established"
    LOG_OPENED = "log.opened"
    LOG_ALIVE = "log.alive"
    LOG_KEY = "log.key"
    LOG_RECONCILED = "log.reconciled"
    ACCESS = "access"
    ACCESS_REFUSED = "access.refused"
    DUTY_OPENED = "duty.opened"
    DUTY_DISCHARGED = "duty.discharged"
    DUTY_OVERDUE = "duty.overdue"
    DUTY_LIFTED = "duty.lifted"
    DUTY_MOVED = "duty.moved"
    DUTY_CALL = "duty.call"
    DUTY_WRITTEN = "duty.written"
    DELIVERY_RETRIED = "delivery.retried"
    REPLAY_PROPOSED = "replay.proposed"
    REPLAY_CONFIRMED = "replay.confirmed"
    REPLAY_STOPPED = "replay.stopped"
    REPLAY_ENDED = "replay.ended"
    DUTY_WRITTEN_REQUESTED = "duty.written-requested"
    ACKNOWLEDGEMENT_REFUSED = "acknowledgement.refused"
    ACKNOWLEDGEMENT_MISSED = "acknowledgement.missed"
    QUESTION_ASKED = "question.asked"
    QUESTION_ANSWERED = "question.answered"
    QUESTION_CLOSED = "question.closed"
    GRANT_ASKED = "grant.asked"
    GRANT_APPROVED = "grant.approved"
    GRANT_OPENED = "grant.opened"
    GRANT_READ = "grant.read"
    GRANT_REVOKED = "grant.revoked"
    GRANT_EXPIRED = "grant.expired"
    EXPORT_MADE = "export.made"
    ACCOUNT_INVITED = "account.invited"
    ACCOUNT_REDEEMED = "account.redeemed"
    ACCOUNT_SUSPENDED = "account.suspended"
    ACCOUNT_RESTORED = "account.restored"
    ACCOUNT_ENDED = "account.ended"
    PASSWORD_CHANGED = "account.password-changed"  # noqa: S105 - the name of a happening
    SIGNED_IN = "sign-in.done"
    SIGN_IN_REFUSED = "sign-in.refused"
    STEPPED_UP = "sign-in.stepped-up"
    SIGNED_OUT = "sign-in.ended"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - the name of a happening
    CLIENT_REGISTERED = "client.registered"
    CLIENT_KEYS = "client.keys"
    CALLER_CONFIRMED = "caller.confirmed"
    WORD_ASKED = "word.asked"
    WORD_SAID = "word.said"
    WORD_WITHDRAWN = "word.withdrawn"


_RECORD = "record record_kind revision persons commitment received_at source cause"
_CONSENT = (
    "consent person grantor categories kinds recipients purposes valid_from expires_at withdrawn_at cause record"
    " revision state jurisdictions confirmed_at"
)
_DUTY = "duty record person recipient decision"
_RECIPIENT = "recipient kind jurisdictions change cause delivery_mode key"


def _fields(names: str) -> frozenset[str]:
    return frozenset(names.split()) | {"actor", "actor_class"}


# Which fields an entry of each kind may carry (rule 2). `actor` is a key id; `source` and `commitment` are commitments.
FIELDS: Mapping[Kind, frozenset[str]] = {
    Kind.RECORD_ACCEPTED: _fields(_RECORD),
    Kind.RECORD_REVISED: _fields(_RECORD),
    **dict.fromkeys((kind for kind in Kind if kind.startswith("consent.")), _fields(_CONSENT)),
    Kind.RECORD_ERASED: _fields("record revision cause persons whole"),
    Kind.SUBJECT_ERASED: _fields("person records cause approver"),
    Kind.ERASURE_REQUESTED: _fields("erasure subject"),
    Kind.CONTENT_ERASED: _fields("what count cause record before"),
    Kind.RECORD_HELD: _fields("hold record"),
    Kind.RECORD_RELEASED: _fields("hold record"),
    Kind.ACCOUNTING_SUSPENDED: _fields("suspension person recipient until form"),
    Kind.SUBJECT_NOTICE: _fields("notice person record recipient disclosure evidence state rule until given_at"),
    Kind.RECIPIENT_REGISTERED: _fields(f"{_RECIPIENT} waits alone"),
    Kind.RECIPIENT_CHANGED: _fields(_RECIPIENT),
    Kind.DECISION: _fields(
        "decision record record_kind revision person recipient outcome categories policies facts bundle deadline cause"
        " obligations replaces",
    ),
    Kind.DISCLOSURE_MADE: _fields(
        "disclosure decision decisions delivery record revision recipient digest categories persons policies bundle"
        " deadline question",
    ),
    Kind.DISCLOSURE_CANCELLED: _fields("disclosure delivery record recipient cause consent"),
    Kind.RECALL_MADE: _fields("recall disclosure delivery record recipient persons consent cause digest deadline"),
    Kind.ATTEMPT_STARTED: _fields(
        "attempt delivery disclosure recall recipient number decision_epoch lane attempt_kind"
    ),
    Kind.ATTEMPT_FINISHED: _fields(
        "attempt delivery disclosure recipient number result status next_at state duration_ms sent",
    ),
    Kind.DELIVERY_EXHAUSTED: _fields("delivery disclosure recipient attempts cause state"),
    Kind.BREAKER_OPENED: _fields("recipient revision failures"),
    Kind.BREAKER_CLOSED: _fields("recipient revision failures cause"),
    Kind.ENDPOINT_GONE: _fields("recipient revision failures"),
    Kind.ENDPOINT_STANDING: _fields("recipient state cause"),
    Kind.ENDPOINT_CHANGE: _fields("change recipient revision state changes proposer until"),
    Kind.ENDPOINT_MESSAGE: _fields("message recipient form number change result status duration_ms"),
    Kind.ACKNOWLEDGEMENT: _fields("acknowledgement disclosure recipient status commitment key"),
    Kind.NOTICE: _fields("notice reason subject deadline record disclosure recipient"),
    Kind.NOTICE_ACKNOWLEDGED: _fields("notice reason subject record"),
    Kind.NOTICE_REPEATED: _fields("notice reason subject record number channels"),
    Kind.PAGE_STARTED: _fields("page notice channel number repeat digest"),
    Kind.PAGE_FINISHED: _fields("page notice channel number result status state next_at"),
    Kind.KEY_CREATED: _fields("key prefix algorithm purpose role recipient until holder waits alone word"),
    Kind.KEY_REVOKED: _fields("key purpose recipient until"),
    # Ids of key-encryption keys, which are digests; of the keys that they wrap only how many.
    Kind.KEK_ROTATED: _fields("kek replaces"),
    Kind.KEY_REWRAPPED: _fields("kek replaces count"),
    Kind.BUNDLE_LOADED: _fields("bundle name cause"),
    Kind.BUNDLE_PROPOSED: _fields("bundle name"),
    Kind.BUNDLE_CHECKED: _fields("bundle result points failed"),
    Kind.BUNDLE_APPROVED: _fields("bundle against newly_discloses approvals"),
    Kind.BUNDLE_ACTIVATED: _fields("bundle name replaces cause approvers engine decided waiting alone word"),
    Kind.REVIEW_OPENED: _fields("review decision record person recipient outcome lane deadline"),
    Kind.REVIEW_CLAIMED: _fields("review record until"),
    Kind.REVIEW_DECIDED: _fields("review decision record person recipient answer categories state commitment"),
    Kind.REVIEW_CONFIRMED: _fields("review decision record person recipient answer categories proposer"),
    # The value is a fact about a person: it is told as a commitment, the decisions that follow commit to it too.
    Kind.FACT_ESTABLISHED: _fields("finding review record person recipient fact commitment"),
    Kind.LOG_OPENED: _fields("origin key"),
    Kind.LOG_ALIVE: _fields("size"),
    # The key that signs from here on, and the signature of the one that it replaces over that statement.
    Kind.LOG_KEY: _fields("vkey replaces signature"),
    Kind.LOG_RECONCILED: _fields("result size checks"),
    # Why is a word of `workflow/accessing.py`, or a grant; filters never hold what somebody chose to type. What is
    # folded says from which entry of the log to which, and until when more of it is counted or since when it was.
    Kind.ACCESS: _fields("role what why count subject filters first last since until"),
    Kind.ACCESS_REFUSED: _fields("role method route lacks count since until"),
    Kind.DUTY_OPENED: _fields(f"{_DUTY} deadline written_by call blocked barred policies replaces"),
    Kind.DUTY_DISCHARGED: _fields(f"{_DUTY} by evidence deadline in_time written_by"),
    Kind.DUTY_OVERDUE: _fields(f"{_DUTY} deadline what"),
    Kind.DUTY_LIFTED: _fields(f"{_DUTY} cause"),
    # Why a duty goes on, and where it stands at others: decided again, told and discharged, told and open, passed over.
    Kind.DUTY_MOVED: _fields(f"{_DUTY} cause asked discharged open passed_over"),
    Kind.DUTY_CALL: _fields(f"{_DUTY} call outcome kind called_at commitment"),
    Kind.DUTY_WRITTEN: _fields(f"{_DUTY} letter sent_at commitment"),
    Kind.DELIVERY_RETRIED: _fields("retry replay delivery disclosure recipient reason state became made commitment"),
    Kind.REPLAY_PROPOSED: _fields("replay recipient since until states reason count urgency result record"),
    Kind.REPLAY_CONFIRMED: _fields("replay recipient count proposer"),
    Kind.REPLAY_STOPPED: _fields("replay recipient state left"),
    Kind.REPLAY_ENDED: _fields("replay recipient state count due sent withheld passed_over failed"),
    Kind.DUTY_WRITTEN_REQUESTED: _fields(f"{_DUTY} request requested_at written_by commitment"),
    Kind.ACKNOWLEDGEMENT_REFUSED: _fields("disclosure recipient cause"),
    Kind.ACKNOWLEDGEMENT_MISSED: _fields("disclosure delivery record recipient deadline"),
    Kind.QUESTION_ASKED: _fields("question acknowledgement disclosure record recipient deadline"),
    Kind.QUESTION_ANSWERED: _fields("question record recipient result disclosure category persons commitment"),
    Kind.QUESTION_CLOSED: _fields("question record recipient cause"),
    Kind.ACCOUNT_INVITED: _fields("account role way until waits alone"),
    **dict.fromkeys(
        (Kind.ACCOUNT_REDEEMED, Kind.ACCOUNT_SUSPENDED, Kind.ACCOUNT_RESTORED, Kind.ACCOUNT_ENDED),
        _fields("account role way sessions"),
    ),
    Kind.PASSWORD_CHANGED: _fields("account session sessions"),
    Kind.SIGNED_IN: _fields("account session way cause"),
    Kind.SIGN_IN_REFUSED: _fields("account client way cause count"),
    Kind.STEPPED_UP: _fields("account session way"),
    Kind.SIGNED_OUT: _fields("account session sessions cause"),
    Kind.TOKEN_ISSUED: _fields("client key until"),
    Kind.CLIENT_REGISTERED: _fields("client role recipient keys holder waits alone"),
    Kind.CLIENT_KEYS: _fields("client keys waits alone"),
    # What one person gave and another confirms: `what` is a credential, its key, a client, its keys, or an invitation.
    Kind.CALLER_CONFIRMED: _fields("subject what prefix role recipient keys holder proposer"),
    Kind.GRANT_ASKED: _fields("grant record auditor until commitment"),
    Kind.GRANT_APPROVED: _fields("grant record auditor"),
    Kind.GRANT_OPENED: _fields("grant record auditor until approver"),
    Kind.GRANT_READ: _fields("grant record auditor count"),
    Kind.GRANT_REVOKED: _fields("grant record auditor state"),
    Kind.GRANT_EXPIRED: _fields("grant record auditor state"),
    Kind.EXPORT_MADE: _fields("record size entries digest alone word"),
    # What one person asked another's word for: which act of `workflow/separation.py`, done to what.
    Kind.WORD_ASKED: _fields("word act subject until"),
    Kind.WORD_SAID: _fields("word act subject proposer"),
    Kind.WORD_WITHDRAWN: _fields("word act subject state"),
}

RETIRED: frozenset[Kind] = frozenset({Kind.BUNDLE_LOADED})
"""Kinds of rule 3. A bundle was told of when a process had loaded it; since bundles come into force in the database,
for all processes at once, `bundle.activated` tells of that, and what a setting names besides changes nothing."""

# Tokens without which the log could not be followed afterwards (rule 6).
REQUIRED: Mapping[Kind, frozenset[str]] = {
    Kind.DISCLOSURE_MADE: frozenset({"disclosure"}),
    Kind.RECALL_MADE: frozenset({"disclosure"}),
    Kind.ATTEMPT_STARTED: frozenset({"attempt", "delivery", "disclosure"}),
    Kind.ATTEMPT_FINISHED: frozenset({"attempt"}),
    Kind.LOG_KEY: frozenset({"vkey", "replaces", "signature"}),
}
