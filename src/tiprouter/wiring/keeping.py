"""How long is each class of record kept, by the settings?"""

from collections.abc import Mapping
from datetime import timedelta

from tiprouter.domain.retention import Retained
from tiprouter.settings import Settings


def retention_of(settings: Settings) -> Mapping[Retained, timedelta]:
    """The period of every class; one of no days keeps it."""
    return {Retained(name): timedelta(days=days) for name, days in settings.retained_days.items()}
