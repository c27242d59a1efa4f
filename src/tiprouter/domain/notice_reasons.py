"""What must a human look at, for which reasons, and what are they told of each?

1. A reason has its severity, its sentences and its path here, and nowhere else. Whoever tells a human of something new
   adds a row.
2. The sentences are fixed: nothing is filled in. A path takes ids alone.

When a notice is due, and what an unknown reason means, is `domain/notice.py`'s.

Not promised: that a severity is right for a given situation. It is a first order in which to look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final


@unique
class Severity(StrEnum):
    """How pressing a notice is, the most pressing first."""

    IMMINENT = "imminent"
    URGENT = "urgent"
    ROUTINE = "routine"


@unique
class PageChannel(StrEnum):
    """A way in which a page leaves the house."""

    WEBHOOK = "webhook"
    EMAIL = "email"


UNDELIVERED: Final = "delivery.imminent-undelivered"
WORD_ASKED: Final = "word.asked"
ROLL_BACK_ASKED: Final = "word.asked-roll-back"
_NOTICES: Final = "/v1/notices"
_DUTY: Final = "/v1/duties/{subject}"
_REVIEW: Final = "/v1/reviews/{subject}"
_DECISION: Final = "/v1/decisions/{subject}"
_DECISIONS: Final = "/v1/decisions?record_id={record}"
_SUBJECTS: Final = "/v1/subject-notices"
_DISCLOSURES: Final = "/v1/disclosures?record_id={record}"
_RECIPIENT: Final = "/v1/recipients/{subject}"
_QUESTION: Final = "/v1/questions/{subject}"
_WORD: Final = "/v1/second-words/{subject}"
_S: Final = Severity


@dataclass(frozen=True, slots=True)
class Reason:
    """What a notice with this reason means: what happened, what to do, and where to look (a path of the API)."""

    severity: Severity
    happened: str
    to_do: str
    look_at: str = _NOTICES
    fails: PageChannel | None = None


REASONS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        UNDELIVERED: Reason(
            _S.IMMINENT,
            "Something in the lane of imminent danger has not arrived 5 minutes after it was made.",
            "Call the recipient by telephone now; then acknowledge this notice.",
            _DISCLOSURES,
        ),
        "acknowledgement.missed": Reason(
            _S.URGENT,
            "A disclosure arrived a day ago, and its agency has not said a word about it.",
            "Call the recipient and ask whether somebody has it.",
            _DISCLOSURES,
        ),
        "acknowledgement.missed-imminent": Reason(
            _S.IMMINENT,
            "A disclosure about imminent danger arrived 15 minutes ago, and its agency has not said a word about it.",
            "Call the recipient by telephone now; then acknowledge this notice.",
            _DISCLOSURES,
        ),
        "acknowledgement.missed-recall": Reason(
            _S.URGENT,
            "A recall arrived a day ago, and its agency has not said a word about it.",
            "Call the recipient and ask whether it stopped using what it was told before.",
            _DISCLOSURES,
        ),
        "clock.ahead": Reason(
            _S.URGENT,
            "A process goes by a time more than an hour ahead of its machine's clock; it erases nothing for age.",
            "Find out which clock is right, keep it with NTP, and start the service again.",
        ),
        "decision.error": Reason(
            _S.URGENT,
            "A decision could not be made because of an error, so nothing leaves toward that recipient.",
            "Have the record read by a reviewer, who reports by hand what cannot wait; then find the error in the log.",
            _DECISION,
        ),
        "delivery.exhausted": Reason(
            _S.URGENT,
            "A delivery was given up: it did not arrive in all the time there was for it.",
            "Call the recipient and report by hand.",
            _DISCLOSURES,
        ),
        "delivery.held": Reason(
            _S.URGENT,
            "A delivery could not be prepared and is held; it is tried again every minute.",
            "Find delivery.held in the service's log and mend what it names.",
            _DISCLOSURES,
        ),
        "delivery.late": Reason(
            _S.URGENT,
            "A delivery may miss its deadline.",
            "Call the recipient before the deadline; look why it has not arrived.",
            _DISCLOSURES,
        ),
        "delivery.refused": Reason(
            _S.URGENT,
            "A recipient's endpoint says that it is gone; nothing is sent there again by itself.",
            "Call the recipient, report by hand, and correct its entry.",
            _DISCLOSURES,
        ),
        "duty.blocked": Reason(
            _S.URGENT,
            "A duty to report reaches no recipient that may be told.",
            "Report by hand to an authority that the duty table names, and register it.",
            _DECISION,
        ),
        "duty.call": Reason(
            _S.URGENT,
            "The law of that place wants a telephone call, which a webhook is not.",
            "Make the call before the deadline and keep its time and reference.",
            _DECISION,
        ),
        "agreement.ending": Reason(
            _S.ROUTINE,
            "A sharing agreement ends within 30 days, within 7 days, or has ended now.",
            "Renew it with the agency, and correct its entry.",
            _RECIPIENT,
        ),
        "endpoint.change-proposed": Reason(
            _S.ROUTINE,
            "Somebody proposes to change where or how an agency's disclosures are sent.",
            "Call the agency at a number known from before; a second person confirms within a week, or withdraws it.",
            _RECIPIENT,
        ),
        "endpoint.untold": Reason(
            _S.URGENT,
            "A change of an endpoint is proposed, and the endpoint as it is could not be told of it for a day.",
            "Call the agency at a number known from before, and withdraw the change if it knows nothing of it.",
            _RECIPIENT,
        ),
        "endpoint.unverified": Reason(
            _S.URGENT,
            "A recipient's endpoint has not proved that it is the agency's; nothing is sent there, its inbox is open.",
            "Call the agency: its endpoint is to answer endpoint.challenge; report by hand what cannot wait.",
            _RECIPIENT,
        ),
        "endpoint.silent": Reason(
            _S.ROUTINE,
            "A recipient's endpoint that proved itself before does not do so now; after 14 days nothing is sent there.",
            "Call the agency: its endpoint is to answer endpoint.challenge.",
            _RECIPIENT,
        ),
        "endpoint.keys-ending": Reason(
            _S.ROUTINE,
            "A certificate or the last encryption key of a recipient ends within 30 or 7 days, or has ended now.",
            "Ask the agency for the next one and register it; without it nothing is sent there.",
            _RECIPIENT,
        ),
        "endpoint.failing": Reason(
            _S.ROUTINE,
            "A recipient's endpoint has failed several times in a row; what is not imminent waits until it answers.",
            "Watch whether it answers soon; call the recipient if it does not.",
            _RECIPIENT,
        ),
        "endpoint.gone": Reason(
            _S.URGENT,
            "A recipient's endpoint says that it is gone; nothing is sent there until the recipient's entry changes.",
            "Call the recipient, report by hand what waits for it, and correct its entry.",
            _RECIPIENT,
        ),
        "endpoint.recovered": Reason(
            _S.ROUTINE,
            "A recipient's endpoint that failed is tried again like any other; what waited for it goes out.",
            "Look whether anything for this recipient was late.",
            _RECIPIENT,
        ),
        "fact.opened-identity": Reason(
            _S.URGENT,
            "A fact that one reviewer established tells police who somebody is, how to reach them, or their health.",
            "Have a second reviewer read the record and the rationale; revise the record where the fact is wrong.",
            _REVIEW,
        ),
        "log.behind": Reason(
            _S.URGENT,
            "Audit entries have waited for the log for more than two minutes.",
            "Look whether the service that keeps the log runs, and whether its disk is full.",
        ),
        "log.unreconciled": Reason(
            _S.URGENT,
            "Rows and audit entries were counted, and their numbers differ.",
            "Find the last log.reconciled entry; keep copies of database and log, and find out which of them changed.",
        ),
        "log.witness-diverged": Reason(
            _S.URGENT,
            "A witness has seen another history of the audit log than this one.",
            "Keep a copy of the database and of the log; ask the witness for the checkpoint it cosigned last.",
        ),
        "paging.email-failing": Reason(
            _S.URGENT,
            "Pages by e-mail do not get through.",
            "Look at the mail server and its settings; until then read the notices by hand.",
            fails=PageChannel.EMAIL,
        ),
        "paging.test": Reason(
            _S.ROUTINE,
            "This is a test: somebody ran `tiprouter page test`. Nothing happened.",
            "Do nothing, or tell whoever sent it that it arrived.",
        ),
        "paging.webhook-failing": Reason(
            _S.URGENT,
            "Pages to the operator's webhook do not get through.",
            "Look at the webhook's receiver and its settings; until then read the notices by hand.",
            fails=PageChannel.WEBHOOK,
        ),
        "record.undecided": Reason(
            _S.URGENT,
            "A record could not be decided again; what was decided before still stands.",
            "Find record.undecided in the service's log and mend what it names; it is tried again every minute.",
            _DECISIONS,
        ),
        "consent.pending": Reason(
            _S.ROUTINE,
            "A grant that widens waits until the person says it again; until then it counts for nothing.",
            "Ask the person again, at another moment and alone; confirm it, or let it lapse.",
        ),
        "duty.late": Reason(
            _S.URGENT,
            "Most of the time for a report that the law wants has passed, and nothing proves that it was made.",
            "Call the recipient before the deadline, and record the call.",
            _DUTY,
        ),
        "duty.nobody-left": Reason(
            _S.URGENT,
            "A duty to report should go on to another recipient, and there is none left that may be told.",
            "Report by telephone to an authority that the duty table names, and record the call.",
            _DUTY,
        ),
        "duty.overdue": Reason(
            _S.URGENT,
            "The time for a report that the law wants is over, and nothing proves that it was made.",
            "Report by telephone now, and record the call.",
            _DUTY,
        ),
        "duty.rejected": Reason(
            _S.URGENT,
            "An agency rejected what it was sent because a duty wants it told.",
            "Read why; report by hand where nobody else takes it on.",
            _DUTY,
        ),
        "duty.untended": Reason(
            _S.URGENT,
            "A duty could not be looked at because of an error; it is looked at again every minute.",
            "Find duty.untended in the service's log and mend what it names; watch the duty's deadline by hand.",
            _DUTY,
        ),
        "duty.written-late": Reason(
            _S.ROUTINE,
            "Most of the time for a report in writing has passed, and none was recorded.",
            "Send the report in writing before its deadline, and record it.",
            _DUTY,
        ),
        "duty.written-overdue": Reason(
            _S.URGENT,
            "The time for a report in writing is over, and none was recorded.",
            "Send the report in writing now, and record it.",
            _DUTY,
        ),
        "erasure.requested": Reason(
            _S.ROUTINE,
            "Somebody asked to erase a record or a person.",
            "A second reviewer confirms within a week, or does nothing.",
        ),
        "erasure.repeated": Reason(
            _S.URGENT,
            "An older database was restored, and something that had been erased was erased again.",
            "Destroy the backup it came from; look whether anything was read or sent from it meanwhile.",
        ),
        "subject.notice": Reason(
            _S.ROUTINE,
            "A person is to be told that something was disclosed about them without their asking.",
            "Tell them by the channel and at the time they called safe, or defer it with a reason.",
            _SUBJECTS,
        ),
        "subject.notice-again": Reason(
            _S.ROUTINE,
            "A notice to a person was deferred until now.",
            "Look whether it is safe now; tell them, or defer it again.",
            _SUBJECTS,
        ),
        "subject.notice-late": Reason(
            _S.URGENT,
            "A person should have been told days ago that something was disclosed about them, and nobody has.",
            "Tell them by the channel and at the time they called safe, or defer it with a reason.",
            _SUBJECTS,
        ),
        "question.asked": Reason(
            _S.URGENT,
            "An agency asks something about what it was sent.",
            "Read the question and answer it; only what may be told to that agency leaves.",
            _QUESTION,
        ),
        "question.asked-imminent": Reason(
            _S.IMMINENT,
            "An agency asks something about imminent danger.",
            "Read the question and answer it now; only what may be told to that agency leaves.",
            _QUESTION,
        ),
        "question.late": Reason(
            _S.URGENT,
            "An agency's question has waited for all of its time.",
            "Answer it, or call the agency.",
            _QUESTION,
        ),
        "review.wanted-imminent": Reason(
            _S.IMMINENT,
            "The policy leaves a decision to a reviewer, and it may be about imminent danger.",
            "Claim the review now, read the record and decide.",
            _REVIEW,
        ),
        "review.due": Reason(
            _S.URGENT,
            "A review has waited for most of its time.",
            "Read the record and decide before the deadline.",
            _REVIEW,
        ),
        "review.overdue": Reason(
            _S.URGENT, "A review has waited beyond its deadline.", "Read the record and decide now.", _REVIEW
        ),
        "log.witness-silent": Reason(
            _S.ROUTINE,
            "A witness has not cosigned the audit log for an hour.",
            "Look whether it runs and can be reached; find witness.failed in the service's log.",
        ),
        "review.wanted": Reason(
            _S.ROUTINE,
            "The policy leaves a decision to a reviewer.",
            "Read the record and decide before the deadline.",
            _DECISION,
        ),
        WORD_ASKED: Reason(
            _S.ROUTINE,
            "Somebody asks another person's word for a new signing key or for an export.",
            "Ask them what it is for; another person whose role may says yes before the deadline, or takes it back.",
            _WORD,
        ),
        ROLL_BACK_ASKED: Reason(
            _S.URGENT,
            "Somebody asks another person's word for the return to the bundle before; it is over in an hour.",
            "Ask them why; another of counsel or the operators says yes within the hour, or takes it back.",
            _WORD,
        ),
    }
)
"""Every reason there is (rule 1). docs/operations.md holds the same table, and a test holds the two equal."""
