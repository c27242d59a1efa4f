"""Which ids may stand in a path? What cannot be an id is not found, like an id that nothing has."""

from typing import Annotated, Final

from fastapi import Path

_SUFFIX: Final = "_[0-9A-Z]{26}$"

TipId = Annotated[str, Path(pattern="^tip" + _SUFFIX, examples=["tip_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
CaseId = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,64}$", examples=["C-1001"])]
PersonId = Annotated[str, Path(pattern="^per" + _SUFFIX, examples=["per_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
RecordId = Annotated[str, Path(pattern="^(tip|case)" + _SUFFIX, examples=["tip_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
SubjectNoticeId = Annotated[str, Path(pattern="^sno" + _SUFFIX, examples=["sno_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
ConsentId = Annotated[str, Path(pattern="^cns" + _SUFFIX, examples=["cns_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
RecipientId = Annotated[str, Path(pattern="^rcp" + _SUFFIX, examples=["rcp_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
DecisionId = Annotated[str, Path(pattern="^dec" + _SUFFIX, examples=["dec_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
DutyId = Annotated[str, Path(pattern="^dut" + _SUFFIX, examples=["dut_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
DisclosureId = Annotated[str, Path(pattern="^dis" + _SUFFIX, examples=["dis_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
ReviewId = Annotated[str, Path(pattern="^rvw" + _SUFFIX, examples=["rvw_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
AcknowledgementId = Annotated[str, Path(pattern="^ack" + _SUFFIX, examples=["ack_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
QuestionId = Annotated[str, Path(pattern="^qst" + _SUFFIX, examples=["qst_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
DeliveryId = Annotated[str, Path(pattern="^msg" + _SUFFIX, examples=["msg_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
GrantId = Annotated[str, Path(pattern="^grt" + _SUFFIX, examples=["grt_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
ReplayId = Annotated[str, Path(pattern="^rpl" + _SUFFIX, examples=["rpl_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
WordId = Annotated[str, Path(pattern="^wrd" + _SUFFIX, examples=["wrd_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
ChangeId = Annotated[str, Path(pattern="^chg" + _SUFFIX, examples=["chg_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
NoticeId = Annotated[str, Path(pattern="^ntc" + _SUFFIX, examples=["ntc_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
AccountId = Annotated[str, Path(pattern="^acc" + _SUFFIX, examples=["acc_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
SessionId = Annotated[str, Path(pattern="^ses" + _SUFFIX, examples=["ses_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
CredentialId = Annotated[str, Path(pattern="^cal" + _SUFFIX, examples=["cal_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
ClientId = Annotated[str, Path(pattern="^clt" + _SUFFIX, examples=["clt_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
BundleDigest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", examples=["0123456789abcdef" * 4])]
EntryIndex = Annotated[str, Path(pattern="^(0|[1-9][0-9]{0,14})$", examples=["0"])]
