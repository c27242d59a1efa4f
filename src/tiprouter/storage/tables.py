"""Which tables are there, and what does each column hold?

1. Whatever a person said or is stands in a `sealed` column (see `storage/vault.py`); every other column holds ids,
   closed vocabulary, numbers or times.
2. Allowed values of a state column derive from the state table in `domain/states.py`.
3. The schema is built by the migrations alone; a test holds this page and the migrations equal.
"""

from typing import Final

import sqlalchemy as sa

from tiprouter.domain.disclosure_states import DisclosureState
from tiprouter.domain.recipient import DeliveryMode
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import AcknowledgementStatus, Outcome, RecipientKind, RecordKind, Urgency
from tiprouter.storage import (  # noqa: F401 - their tables are part of the metadata
    accounts_table,
    bundles_table,
    callers_table,
    deliveries_table,
    duties_table,
    endpoints_table,
    grants_table,
    inbox_table,
    lines_table,
    log_tables,
    pages_table,
    quarters_table,
    questions_table,
    recovery_table,
    reviews_table,
    second_words_table,
    subjects_table,
    sweeps_table,
)
from tiprouter.storage.columns import SEALED, Id, Moment, Serial, metadata, one_of

attempts, deliveries = deliveries_table.attempts, deliveries_table.deliveries
callers, api_keys = callers_table.callers, callers_table.api_keys
access_tokens, assertions = callers_table.access_tokens, callers_table.assertions

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("wrapped", sa.LargeBinary, comment="its data key; null where that still stands before what it sealed"),
    sa.Column("kek_id", sa.String(40), comment="which key-encryption key wrapped it; null where that was not noted"),
    comment="The service's own secrets: the log's signing seed, the blind-index key.",
)

data_keys = sa.Table(
    "data_keys",
    metadata,
    sa.Column("owner", Id, primary_key=True),
    sa.Column("kek_id", sa.String(40), nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="1", comment="counts the keys this owner has had"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("destroyed_at", Moment, comment="its wrapped bytes are gone, and what it sealed with them"),
    comment="One wrapped data key per record, person, recipient or remembered answer; destroying the row erases them.",
)

records = sa.Table(
    "records",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("external", sa.String(64), nullable=False, comment="keyed blind index of source and external id"),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False, comment="grows with every change that may change a decision"),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("accepted_at", Moment, nullable=False),
    sa.Column("revised_at", Moment, nullable=False),
    sa.Column(
        "open", sa.Boolean, nullable=False, server_default=sa.true(), comment="false for a case that the hotline closed"
    ),
    sa.Column("due_at", Moment, comment="when it is to be decided again by itself; null when only a change can"),
    sa.Column("erased_at", Moment, comment="when its content was destroyed; ids and decisions stay"),
    sa.Column(
        "aged_from",
        Moment,
        comment="what its retention counts from, or once it was erased that of its accounting; null when that is over",
    ),
    sa.UniqueConstraint("kind", "external"),
    sa.Index(
        "ix_records_cases",
        "kind",
        "id",
        sqlite_where=sa.text("open = 1 AND kind = 'case' AND erased_at IS NULL"),
        postgresql_where=sa.text("open AND kind = 'case' AND erased_at IS NULL"),
    ),
    sa.Index(
        "ix_records_due",
        "due_at",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_records_aged",
        "kind",
        "aged_from",
        sqlite_where=sa.text("erased_at IS NULL"),
        postgresql_where=sa.text("erased_at IS NULL"),
    ),
    sa.Index(
        "ix_records_accounted",
        "aged_from",
        sqlite_where=sa.text("erased_at IS NOT NULL"),
        postgresql_where=sa.text("erased_at IS NOT NULL"),
    ),
    one_of("kind", RecordKind),
)

OPEN_CASE: Final = sa.and_(records.c.open == sa.true(), sa.text("kind = 'case' AND erased_at IS NULL"))
"""A case that the hotline did not close. Spelt out, so that the planner sees the partial index of these words."""

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
)

persons = sa.Table(
    "persons",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("external", sa.String(64), nullable=False, unique=True, comment="keyed blind index of source and ref"),
    sa.Column("created_at", Moment, nullable=False),
)

record_persons = sa.Table(
    "record_persons",
    metadata,
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, comment="index among the current revision's persons"),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False, index=True),
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", sa.String(10)),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column(
        "aged_from",
        Moment,
        comment="what its retention is counted from; null while a record names the person, or erased",
    ),
    sa.Index(
        "ix_consents_aged_from",
        "aged_from",
        sqlite_where=sa.text("aged_from IS NOT NULL"),
        postgresql_where=sa.text("aged_from IS NOT NULL"),
    ),
    one_of("state", ConsentPhase),
)

recipients = sa.Table(
    "recipients",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("registered_at", Moment, nullable=False),
    sa.Column("delivery_mode", sa.String(4), nullable=False, server_default=DeliveryMode.PUSH),
    sa.Column("max_per_second", sa.Integer, comment="attempts that may begin in a second; null for the house's pace"),
    sa.Column(
        "max_at_once",
        sa.Integer,
        comment="attempts that may be under way, whoever makes them; null for each worker's places",
    ),
    one_of("kind", RecipientKind),
    one_of("delivery_mode", DeliveryMode),
)

registry_mark = sa.Table(
    "registry_mark",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("mark", Id, nullable=False, comment="what the last change of the recipients left, and none before it"),
    sa.CheckConstraint("id = 1", name="one_mark"),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False, index=True),
    sa.Column("scheme", sa.String(4), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("retired_at", Moment),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", Id, log_tables.told(), primary_key=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id")),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("categories", sa.JSON, nullable=False),
    sa.Column("policies", sa.JSON, nullable=False),
    sa.Column("review", sa.Boolean, nullable=False),
    sa.Column("deadline", Moment),
    sa.Column("urgency", sa.String(10), nullable=False),
    sa.Column("notice", sa.String(20), nullable=False),
    sa.Column("errors", sa.JSON, nullable=False),
    sa.Column("facts", sa.JSON),
    sa.Column("salt", sa.String(32), nullable=False, comment="of the facts' commitment in the log"),
    sa.Column("bundle", sa.String(64), nullable=False),
    sa.Column("cause", sa.String(40), nullable=False),
    sa.Column("valid_until", Moment),
    sa.Column("decided_at", Moment, nullable=False),
    sa.Column("received_at", Moment, comment="what the deadline was counted from"),
    sa.Column("duty_within", sa.Integer, comment="seconds after receipt in which the duty table wants the report"),
    sa.Column(
        "call",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="the law wants a telephone call, which a webhook is not",
    ),
    sa.Column("written_by", Moment, comment="when a report in writing is owed"),
    sa.Index("ix_decisions_current", "record_id", "current"),
    sa.Index("ix_decisions_recipient", "recipient_id", "id"),
    sa.Index("ix_decisions_outcome", "outcome", "id"),
    sa.Index("ix_decisions_bundle", "bundle", "id"),
    sa.Index(
        "ix_decisions_toward",
        "recipient_id",
        "record_id",
        sqlite_where=sa.text("current = 1"),
        postgresql_where=sa.text("current"),
    ),
    sa.Index(
        "ix_decisions_unsettled",
        "outcome",
        "record_id",
        sqlite_where=sa.text("current = 1 AND outcome IN ('HOLD_REVIEW', 'HOLD_ERROR', 'DUTY_BLOCKED')"),
        postgresql_where=sa.text("current AND outcome IN ('HOLD_REVIEW', 'HOLD_ERROR', 'DUTY_BLOCKED')"),
    ),
    one_of("outcome", Outcome),
    one_of("urgency", Urgency),
)

UNSETTLED: Final = sa.and_(
    decisions.c.current == sa.true(), sa.text("outcome IN ('HOLD_REVIEW', 'HOLD_ERROR', 'DUTY_BLOCKED')")
)
"""A decision about which somebody still has to do something."""

matters = sa.Table(
    "matters",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False, comment="the last one given out"),
    sa.UniqueConstraint("record_id", "recipient_id"),
    comment="What one recipient is told about one record: disclosures and recalls, in sequence.",
)

disclosures = sa.Table(
    "disclosures",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("matter_id", Id, sa.ForeignKey("matters.id"), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("recalls", Id, comment="the disclosure that this one recalls; null for a disclosure"),
    sa.Column("state", sa.String(10), nullable=False, server_default=DisclosureState.STANDING.value),
    sa.Column("categories", sa.JSON, nullable=False),
    sa.Column("decisions", sa.JSON, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("content_digest", sa.String(64), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("answers", Id, comment="the question that this one answers; null for every other"),
    sa.UniqueConstraint("matter_id", "sequence"),
    sa.Index("ix_disclosures_recipient", "recipient_id", "id"),
    one_of("state", DisclosureState),
)

STANDS: Final = disclosures.c.state == DisclosureState.STANDING.value
"""A disclosure (or a recall) that nothing ended."""

acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("disclosure_id", Id, sa.ForeignKey("disclosures.id"), nullable=False, index=True),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="the agency's own case number, reason or question"),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("key", sa.String(43), comment="thumbprint of the key that signed it"),
    sa.Column("proof", sa.String(64), comment="keyed blind index of what was signed: no signature counts twice"),
    sa.Index("ix_acknowledgements_proof", "proof", unique=True),
    one_of("status", AcknowledgementStatus),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("reason", sa.String(40), nullable=False),
    sa.Column("subject", Id, nullable=False, comment="the decision or delivery it is about"),
    sa.Column("record_id", Id),
    sa.Column("deadline", Moment),
    sa.Column("raised_at", Moment, nullable=False),
    sa.Index("ix_notices_about", "reason", "subject"),
    comment="What a human must look at.",
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("caller", Id, primary_key=True),
    sa.Column("route", sa.String(80), primary_key=True),
    sa.Column("key_digest", sa.String(64), primary_key=True),
    sa.Column("request_digest", sa.String(64), nullable=False),
    sa.Column("owner", Id, nullable=False, comment="whose data key seals the answer"),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("given_at", Moment, nullable=False),
    sa.Index("ix_answers_given_at", "given_at", sqlite_where=SEALED, postgresql_where=SEALED),
    comment="Answers already given, by Idempotency-Key.",
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("serial", Serial, primary_key=True, autoincrement=True),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    comment="Audit entries that are committed and not yet in the tree.",
)

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("index", Serial, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Index("ix_log_entries_kind", "kind", "index"),
    sa.Index("ix_log_entries_at", "at"),
)

log_tiles = sa.Table(
    "log_tiles",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, comment="-1 holds entry bundles"),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("tile", sa.LargeBinary, nullable=False),
)

log_checkpoints = sa.Table(
    "log_checkpoints",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.LargeBinary, nullable=False),
    sa.Column("signed_at", Moment, nullable=False),
)
