"""What does the federal performance report of a hotline ask for, and what of it does this service hold?

The form is OMB 0970-0598, National Human Trafficking Hotline (NHTH) Performance Indicators, of the Office on
Trafficking in Persons (OTIP), approved until 30 November 2028 as ICR 202509-0970-008.

1. A heading is the form's own words. `FORM` names the document that each is read in; nothing stands here that was read
   nowhere.
2. The options of one element, and the name of another, are read in the reference guide for the fiscal year 2024
   (ICR 202403-0970-008); their rows say so.
3. Of three sections the contents of the guide name the heading alone; what they ask under it is not known here. What
   the service counts that belongs there is told under the heading in its own words, and the row says that too.
4. A row is counted, or not collected: nobody tells the service. Or it is sealed: it stands in records, and no record is
   opened to be counted.
5. Everything counted is a number of signals, cases, or agencies. No person is counted, and nobody is named.

Left out: who files the report and which of the three it is, because the service is told neither; the further elements
of the three sections; the section of the semi-annual report that the guide's contents do not name.
Not promised: that the form has not changed since. Whoever files it compares the headings with the year's own.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final


@unique
class Section(StrEnum):
    """A section of the report, in the form's words."""

    EMERGENCY = "Human Trafficking Emergency-Related Request and Referral Data"
    CASES = "Human Trafficking Case-Level Data"
    OUTCOMES = "Case Referral, Report, Outcome Data"
    VICTIMS = "Potential Victim Demographic Data"


@unique
class ReportType(StrEnum):
    """How often a report is filed."""

    MONTHLY = "monthly"
    SEMI_ANNUAL = "semi_annual"
    ANNUAL = "annual"


ASKED_IN: Final = {
    Section.EMERGENCY: (ReportType.MONTHLY, ReportType.ANNUAL),
    Section.CASES: (ReportType.MONTHLY, ReportType.ANNUAL),
    Section.OUTCOMES: (ReportType.SEMI_ANNUAL, ReportType.ANNUAL),
    Section.VICTIMS: (ReportType.SEMI_ANNUAL, ReportType.ANNUAL),
}
"""Which reports have a section, by the contents of the guide."""

_FORM: Final = "OMB 0970-0598, "
GUIDE: Final = _FORM + "ICR 202509-0970-008, NHTH Grant Recipient Reporting Reference Guide"
GUIDE_2024: Final = _FORM + "ICR 202403-0970-008, FY24 NHTH Grant Recipient Reporting Reference Guide"
STATEMENT: Final = _FORM + "ICR 202509-0970-008, Supporting Statement Part A (September 2025), A1"


@unique
class NamedBy(StrEnum):
    """Whose words an element is in (rule 3)."""

    FORM = "form"
    SERVICE = "service"


@unique
class Held(StrEnum):
    """Whether the service can say (rule 4)."""

    COUNTED = "counted"
    NOT_COLLECTED = "not_collected"
    SEALED = "sealed"


@unique
class Figure(StrEnum):
    """A number that the service counts for a period."""

    SIGNALS = "signals"
    CASES = "cases"
    REFERRALS = "referrals"
    REFERRED = "referred"
    TO_LAW_ENFORCEMENT = "to_law_enforcement"
    TO_CHILD_WELFARE = "to_child_welfare"
    PARTNERS_ADDED = "partners_added"
    PARTNERS = "partners"


@dataclass(frozen=True, slots=True)
class Heading:
    """One row: what is asked for, in whose words, where that was read, and what the service can say of it.

    `how` is one sentence: what was counted, or why nothing was. `figure` is None where nothing is.
    """

    section: Section
    element: str
    option: str | None
    named_by: NamedBy
    source: str
    held: Held
    how: str
    figure: Figure | None = None


def _not_requested(option: str) -> Heading:
    """Rule 2."""
    return Heading(
        Section.EMERGENCY,
        "Emergency-Related Service Requests",
        option,
        NamedBy.FORM,
        f"{GUIDE}; the option: {GUIDE_2024}",
        Held.NOT_COLLECTED,
        "A record does not say which services somebody asked for.",
    )


def _asked(element: str, figure: Figure, how: str, source: str = GUIDE) -> Heading:
    return Heading(Section.EMERGENCY, element, None, NamedBy.FORM, source, Held.COUNTED, how, figure)


def _own(section: Section, element: str, figure: Figure, how: str, source: str = GUIDE) -> Heading:
    """Rule 3."""
    return Heading(section, element, None, NamedBy.SERVICE, source, Held.COUNTED, how, figure)


FORM: Final = (
    _not_requested("Emergency Shelter"),
    _not_requested("Extraction"),
    _not_requested("Transportation"),
    _asked(
        "Individual Referrals Provided",
        Figure.REFERRALS,
        "How often a service provider was first told of a tip or case. Referrals by word of mouth are not known here.",
    ),
    _asked(
        "New Referral Partners Added to Referral Database",
        Figure.PARTNERS_ADDED,
        "Service providers that were registered in the period.",
    ),
    _asked(
        "Referral Partners in the Referral Database",
        Figure.PARTNERS,
        "Service providers that were registered before the period ended, suspended ones too.",
        GUIDE_2024,
    ),
    _own(Section.CASES, "Signals", Figure.SIGNALS, "Tips that the service accepted in the period."),
    _own(Section.CASES, "Cases", Figure.CASES, "Cases that the service was first told of in the period."),
    _own(
        Section.OUTCOMES,
        "Referred to service providers",
        Figure.REFERRED,
        "Tips and cases of which some service provider was told for the first time.",
    ),
    _own(
        Section.OUTCOMES,
        "Law enforcement notified",
        Figure.TO_LAW_ENFORCEMENT,
        "Tips and cases of which some law enforcement agency was told for the first time.",
        f"{GUIDE}; that it is to be notified: {STATEMENT}",
    ),
    _own(
        Section.OUTCOMES,
        "Child welfare agencies notified",
        Figure.TO_CHILD_WELFARE,
        "Tips and cases of which some child protection agency was told for the first time.",
        f"{GUIDE}; that they are to be notified: {STATEMENT}",
    ),
    Heading(
        Section.OUTCOMES,
        "Outcomes",
        None,
        NamedBy.SERVICE,
        GUIDE,
        Held.NOT_COLLECTED,
        "Agencies say whether they accept what they were told, not what became of it.",
    ),
    Heading(
        Section.VICTIMS,
        "Potential victims",
        None,
        NamedBy.SERVICE,
        GUIDE,
        Held.SEALED,
        "What a person is stands sealed in records; none is opened to be counted.",
    ),
)
"""The rows of the report, in the order of the guide's contents."""
