"""Settings of what is kept about people and what they did: privacy, and the audit trail."""

from typing import Literal

from pydantic import Field

from headend.settings.section import Section
from headend.settings.values import Count


class Audit(Section):
    """The audit trail: who did what, kept in the database."""

    retention_days: Count = Field(
        default=365, ge=1, le=36_500, description="Days for which the server keeps the audit trail."
    )


class Privacy(Section):
    """The data that the server keeps about people."""

    addresses: Literal["full", "pseudonymous", "none"] = Field(
        default="full",
        description="Form of IP addresses in logs, history, audit trail and events: full, "
        "pseudonymous or none.",
    )
    pseudonym_days: Count = Field(
        default=1,
        ge=0,
        le=366,
        description="Days after which an address gets another pseudonym; 0: never.",
    )
    history_days: Count = Field(
        default=90,
        ge=0,
        le=36_500,
        description="Days for which the server keeps the history of who published and watched "
        "what; 0: no history.",
    )
