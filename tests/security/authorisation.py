"""Who may use which route about whose things? Written by hand, from what the service promises, apart from its code.

A row is a route and eight cells: intake, reviewer, auditor, operator, agency, counsel, custodian, and a caller without
a credential. A cell has one letter for a route about nothing in particular, otherwise three: about the first one's
things, about the second one's, about what does not exist. The agency and the auditor who ask are the first ones; for
everybody else there is no difference. Every letter is a request (`test_authorisation.py`).

    +  let in: the story answers, be it with a refusal of its own (409, 412, 422)
    -  404, byte for byte what is told about what does not exist (of the log, to who may be there: how long it is)
    u  401, nobody knows who asks

Whoever adds a route adds its row here; a role that is added adds a column.
"""

from typing import Final

ROLES: Final = ("intake", "reviewer", "auditor", "operator", "agency", "counsel", "custodian", "nobody")

_ROWS: Final = """
# records and people: the intake writes, the intake and reviewers read, nobody else
GET    /v1/tips                                         +   +   -   -   -   -   -   u
GET    /v1/tips/{tip_id}                                ++- ++- --- --- --- --- --- uuu
GET    /v1/cases                                        +   +   -   -   -   -   -   u
GET    /v1/cases/{case_id}                              ++- ++- --- --- --- --- --- uuu
GET    /v1/consents                                     +   +   -   -   -   -   -   u
GET    /v1/consents/{consent_id}                        ++- ++- --- --- --- --- --- uuu
GET    /v1/consents/{consent_id}/receipt                ++- ++- --- --- --- --- --- uuu
GET    /v1/subjects/{person_id}/accounting              ++- ++- --- --- --- --- --- uuu
GET    /v1/subject-notices                              +   +   -   -   -   -   -   u
GET    /v1/questions                                    +   +   -   -   -   -   -   u
GET    /v1/questions/{question_id}                      ++- ++- --- --- --- --- --- uuu
GET    /v1/duties                                       +   +   +   -   -   -   -   u
GET    /v1/duties/{duty_id}                             ++- ++- ++- --- --- --- --- uuu
GET    /v1/reviews                                      -   +   +   -   -   -   -   u
GET    /v1/reviews/{review_id}                          --- ++- --- --- --- --- --- uuu

# what left: an agency knows of its own alone
GET    /v1/disclosures                                  -   +   +   -   +   -   -   u
GET    /v1/disclosures/{disclosure_id}                  --- ++- ++- --- +-- --- --- uuu
GET    /v1/acknowledgements/{acknowledgement_id}/jws    --- ++- ++- --- --- --- --- uuu
GET    /v1/deliveries                                   -   +   +   +   +   -   -   u
GET    /v1/deliveries/{delivery_id}                     --- ++- ++- ++- +-- --- --- uuu
GET    /v1/dead-letters                                 -   +   +   +   -   -   -   u
GET    /v1/inbox                                        -   -   -   -   +   -   -   u
GET    /v1/inbox/{delivery_id}                          --- --- --- --- +-- --- --- uuu
GET    /v1/replays                                      -   +   +   +   -   -   -   u
GET    /v1/replays/{replay_id}                          --- ++- ++- ++- --- --- --- uuu
GET    /v1/notices                                      -   +   -   +   -   -   -   u

# who is told: the hotline's own know the agencies, operators keep them
GET    /v1/recipients                                   +   +   +   +   -   -   -   u
GET    /v1/recipients/{recipient_id}                    ++- ++- ++- ++- --- --- --- uuu
GET    /v1/recipients/{recipient_id}/changes            --- --- ++- ++- --- --- --- uuu
GET    /v1/recipients/{recipient_id}/health             --- --- ++- ++- --- --- --- uuu

# decisions, policy, the log
GET    /v1/decisions                                    -   +   +   -   -   -   -   u
GET    /v1/decisions/withheld                           -   +   +   -   -   -   -   u
GET    /v1/decisions/{decision_id}                      --- ++- ++- --- --- --- --- uuu
GET    /v1/timeliness                                   -   +   +   +   -   -   -   u
GET    /v1/reports/federal                              -   -   +   +   -   -   -   u
GET    /v1/transparency                                 +   +   +   +   +   +   +   +
GET    /v1/bundles                                      -   +   +   +   -   +   -   u
GET    /v1/bundles/{digest}                             --- ++- ++- ++- --- ++- --- uuu
GET    /v1/bundles/{digest}/files                       --- --- ++- --- --- ++- --- uuu
GET    /v1/bundles/{digest}/difference                  --- --- ++- --- --- ++- --- uuu
GET    /v1/audit/entries                                -   -   +   -   -   -   -   u
GET    /v1/audit/entries/{index}                        --- --- ++- --- --- --- --- uuu
GET    /v1/audit/entries/{index}/proof                  --- --- ++- --- --- --- --- uuu
GET    /v1/audit/checkpoint                             +   +   +   +   +   +   +   +
GET    /v1/audit/tile/entries/{path}                    --- --- ++- --- --- --- --- uuu
GET    /v1/audit/tile/{level}/{path}                    ++- ++- ++- ++- ++- ++- ++- ++-
GET    /checkpoint                                      +   +   +   +   +   +   +   +
GET    /tile/entries/{path}                             --- --- ++- --- --- --- --- uuu
GET    /tile/{level}/{path}                             ++- ++- ++- ++- ++- ++- ++- ++-

# one matter: an auditor sees their own grants, who approves sees all
GET    /v1/grants                                       -   +   +   -   -   +   -   u
GET    /v1/grants/{grant_id}                            --- ++- +-- --- --- ++- --- uuu
GET    /v1/grants/{grant_id}/matter                     --- --- +-- --- --- --- --- uuu
GET    /v1/matters/{record_id}/audit-bundle             --- ++- ++- --- --- --- --- uuu
GET    /v1/second-words                                 -   +   +   +   -   +   +   u
GET    /v1/second-words/{word_id}                       --- +-- +-- -+- --- +-- -+- uuu

# who may call
GET    /v1/credentials                                  -   -   -   +   -   -   -   u
GET    /v1/clients                                      -   -   -   +   -   -   -   u
GET    /v1/people                                       -   -   +   +   -   -   -   u
GET    /v1/session                                      -   +   +   +   -   +   +   u
GET    /v1/sessions                                     -   +   +   +   -   +   +   u
GET    /.well-known/oauth-authorization-server          +   +   +   +   +   +   +   +
GET    /v1/sign-in/oidc/callback                        +   +   +   +   +   +   +   +
GET    /sign-in                                         +   +   +   +   +   +   +   +
GET    /healthz                                         +   +   +   +   +   +   +   +
GET    /readyz                                          +   +   +   +   +   +   +   +
GET    /docs                                            +   +   +   +   +   +   +   +
GET    /openapi.json                                    +   +   +   +   +   +   +   +

# writes, in an order in which none takes away what a later one is about
POST   /v1/tips                                         +   -   -   -   -   -   -   u
PUT    /v1/cases/{case_id}                              +++ --- --- --- --- --- --- uuu
POST   /v1/consents                                     +   +   -   -   -   -   -   u
POST   /v1/consents/{consent_id}/confirm                ++- ++- --- --- --- --- --- uuu
POST   /v1/consents/{consent_id}/narrow                 ++- ++- --- --- --- --- --- uuu
POST   /v1/subjects/{person_id}/accounting/suspend      --- ++- --- ++- --- --- --- uuu
POST   /v1/subject-notices/{notice_id}/defer            ++- ++- --- --- --- --- --- uuu
POST   /v1/subject-notices/{notice_id}/give             ++- ++- --- --- --- --- --- uuu
POST   /v1/duties/{duty_id}/calls                       ++- ++- --- --- --- --- --- uuu
POST   /v1/duties/{duty_id}/written-reports             ++- ++- --- --- --- --- --- uuu
POST   /v1/duties/{duty_id}/written-requests            ++- ++- --- --- --- --- --- uuu
POST   /v1/questions/{question_id}/answer               ++- ++- --- --- --- --- --- uuu
POST   /v1/reviews/{review_id}/claim                    --- ++- --- --- --- --- --- uuu
POST   /v1/reviews/{review_id}/decide                   --- ++- --- --- --- --- --- uuu
POST   /v1/reviews/{review_id}/confirm                  --- ++- --- --- --- --- --- uuu
POST   /v1/disclosures/{disclosure_id}/acknowledgements --- --- --- --- +-- --- --- uuu
POST   /v1/inbox/{delivery_id}/ack                      --- --- --- --- +-- --- --- uuu
POST   /v1/deliveries/{delivery_id}/retry               --- ++- --- ++- --- --- --- uuu
POST   /v1/replays                                      -   +   -   +   -   -   -   u
POST   /v1/replays/{replay_id}/confirm                  --- ++- --- ++- --- --- --- uuu
POST   /v1/replays/{replay_id}/stop                     --- ++- --- ++- --- --- --- uuu
POST   /v1/notices/{notice_id}/acknowledge              --- ++- --- ++- --- --- --- uuu
POST   /v1/recipients                                   -   -   -   +   -   -   -   u
PUT    /v1/recipients/{recipient_id}                    --- --- --- ++- --- --- --- uuu
POST   /v1/recipients/{recipient_id}/signing-keys       --- --- --- ++- --- --- --- uuu
POST   /v1/recipients/{recipient_id}/changes            --- --- --- ++- --- --- --- uuu
POST   /v1/recipients/{recipient_id}/test               --- --- --- ++- --- --- --- uuu
POST   /v1/endpoint-changes/{change_id}/confirm         --- --- --- ++- --- --- --- uuu
POST   /v1/endpoint-changes/{change_id}/withdraw        --- --- --- ++- --- --- --- uuu
POST   /v1/bundles                                      -   -   -   -   -   +   -   u
POST   /v1/bundles/{digest}/explain                     --- ++- ++- --- --- ++- --- uuu
POST   /v1/bundles/{digest}/check                       --- --- --- --- --- ++- --- uuu
POST   /v1/bundles/{digest}/approve                     --- --- --- --- --- ++- --- uuu
POST   /v1/bundles/{digest}/activate                    --- --- --- ++- --- ++- --- uuu
POST   /v1/bundles/{digest}/simulate                    --- --- ++- --- --- ++- --- uuu
POST   /v1/bundles/rollback                             -   -   -   +   -   +   -   u
POST   /v1/decisions/replay                             -   -   +   -   -   +   -   u
POST   /v1/grants                                       -   -   +   -   -   +   -   u
POST   /v1/grants/{grant_id}/approve                    --- ++- --- --- --- ++- --- uuu
POST   /v1/grants/{grant_id}/revoke                     --- ++- +-- --- --- ++- --- uuu
POST   /v1/second-words                                 -   +   +   +   -   +   -   u
POST   /v1/second-words/{word_id}/say                   --- +-- +-- -+- --- +-- -+- uuu
POST   /v1/second-words/{word_id}/withdraw              --- +-- +-- -+- --- +-- -+- uuu
POST   /v1/consents/{consent_id}/withdraw               ++- ++- --- --- --- --- --- uuu
POST   /v1/records/{record_id}/hold                     --- ++- --- --- --- --- --- uuu
POST   /v1/records/{record_id}/release                  --- ++- --- --- --- --- --- uuu
POST   /v1/records/{record_id}/erase                    --- ++- --- --- --- --- --- uuu
POST   /v1/subjects/{person_id}/erase                   --- ++- --- --- --- --- --- uuu
POST   /v1/credentials                                  -   -   -   +   -   -   -   u
POST   /v1/credentials/{credential_id}/rotate           --- --- --- ++- --- --- --- uuu
POST   /v1/credentials/{credential_id}/confirm          --- --- --- ++- --- --- --- uuu
DELETE /v1/credentials/{credential_id}                  --- --- --- ++- --- --- --- uuu
POST   /v1/clients                                      -   -   -   +   -   -   -   u
PUT    /v1/clients/{client_id}/keys                     --- --- --- ++- --- --- --- uuu
POST   /v1/clients/{client_id}/confirm                  --- --- --- ++- --- --- --- uuu
DELETE /v1/clients/{client_id}                          --- --- --- ++- --- --- --- uuu
POST   /v1/people                                       -   -   -   +   -   -   -   u
POST   /v1/people/{account_id}/confirm                  --- --- --- ++- --- --- --- uuu
POST   /v1/people/{account_id}/suspend                  --- --- --- ++- --- --- --- uuu
POST   /v1/people/{account_id}/restore                  --- --- --- ++- --- --- --- uuu
DELETE /v1/people/{account_id}                          --- --- --- ++- --- --- --- uuu
POST   /v1/session/step-up                              -   +   +   +   -   +   +   u
POST   /v1/session/step-up/oidc                         -   +   +   +   -   +   +   u
POST   /v1/session/password                             -   +   +   +   -   +   +   u
DELETE /v1/sessions/{session_id}                        --- +++ +++ +++ --- +++ +++ uuu
POST   /v1/sign-out                                     -   +   +   +   -   +   +   u

# how people and systems begin
POST   /v1/oauth/token                                  +   +   +   +   +   +   +   +
POST   /v1/invitations/redeem                           +   +   +   +   +   +   +   +
POST   /v1/invitations/confirm                          +   +   +   +   +   +   +   +
POST   /v1/sign-in/local                                +   +   +   +   +   +   +   +
POST   /v1/sign-in/oidc/begin                           +   +   +   +   +   +   +   +
POST   /v1/sign-in/oidc/finish                          +   +   +   +   +   +   +   +
POST   /sign-in                                         +   +   +   +   +   +   +   +
POST   /sign-in/oidc                                    +   +   +   +   +   +   +   +
POST   /sign-in/invitation                              +   +   +   +   +   +   +   +
POST   /sign-in/invitation/confirm                      +   +   +   +   +   +   +   +
POST   /sign-in/step-up                                 +   +   +   +   +   +   +   +
POST   /sign-in/step-up/oidc                            +   +   +   +   +   +   +   +
POST   /sign-in/password                                +   +   +   +   +   +   +   +
POST   /sign-in/session/end                             +   +   +   +   +   +   +   +
POST   /sign-out                                        +   +   +   +   +   +   +   +
"""

FIELDS: Final = """
# a field told to one role and null to another; a dot goes into a member or into every item of a list
GET /v1/disclosures/{disclosure_id} acknowledgements.case_number    reviewer agency
GET /v1/disclosures/{disclosure_id} acknowledgements.log            reviewer auditor
GET /v1/disclosures/{disclosure_id} because                         reviewer auditor
GET /v1/disclosures/{disclosure_id} because.facts                   reviewer auditor
GET /v1/disclosures/{disclosure_id} digest                          reviewer agency
GET /v1/disclosures/{disclosure_id} sent                            reviewer auditor
GET /v1/disclosures/{disclosure_id} recalled_by                     reviewer auditor
GET /v1/disclosures/{disclosure_id} recipient_kind                  reviewer auditor
GET /v1/disclosures/{disclosure_id} lateness                        reviewer auditor
GET /v1/disclosures/{disclosure_id} log                             reviewer auditor
GET /v1/disclosures                 items.recipient_kind            reviewer auditor
GET /v1/disclosures                 items.log                       reviewer auditor
GET /v1/disclosures                 items.digest                    reviewer agency
GET /v1/deliveries/{delivery_id}    history.log                     reviewer auditor operator
GET /v1/deliveries/{delivery_id}    asked.note                      reviewer
GET /v1/deliveries/{delivery_id}    history.answer                  reviewer
GET /v1/duties/{duty_id}            calls.caller                    intake reviewer
GET /v1/duties/{duty_id}            calls.number                    intake reviewer
GET /v1/people                      items.name                      operator
GET /v1/people                      items.email                     operator
"""

READS_PEOPLE: Final = """
# the only answers in which what somebody said or is may stand
GET /v1/tips/{tip_id}               intake reviewer
GET /v1/cases/{case_id}             intake reviewer
GET /v1/reviews/{review_id}         reviewer
GET /v1/inbox/{delivery_id}         agency
# notes of the hotline's own people, which may name somebody; what an endpoint answered, which may quote
GET /v1/duties/{duty_id}            intake reviewer
GET /v1/deliveries/{delivery_id}    reviewer
# a matter that two other people opened to this auditor
GET /v1/grants/{grant_id}/matter    auditor
"""

TABLE: Final = {
    (method, route): dict(zip(ROLES, cells, strict=True))
    for line in _ROWS.splitlines()
    if line and not line.startswith("#")
    for method, route, *cells in [line.split()]
}


def sayings(text: str) -> list[list[str]]:
    """The words of each line that is not a comment."""
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]
