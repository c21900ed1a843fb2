"""Settings of webhooks: who is told of events."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from headend.redaction import show_url
from headend.settings.auth import SECRET_CHARACTERS
from headend.settings.tables import Table, entries
from headend.settings.texts import text_like, texts
from headend.settings.values import HIDDEN, HttpUrl

WEBHOOKS_FORM: Final = (
    'must be a list such as [{ name = "a", url = "https://…", secret = "…" }]; events may be added'
)
NAME_FORM: Final = "must be 1 to 64 of a-z, 0-9, - and _"
EVENTS_FORM: Final = 'must be a list of patterns such as "stream.*"'
MOST_WEBHOOKS: Final = 100

_NAME: Final = re.compile(r"[a-z0-9_-]{1,64}")
_PATTERN: Final = re.compile(r"[a-z.*?]{1,64}")


def _secret(value: SecretStr) -> SecretStr:
    if len(value) < SECRET_CHARACTERS:
        raise ValueError(f"must be a text of at least {SECRET_CHARACTERS} characters")
    return value


def _events(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not value:
        raise ValueError(EVENTS_FORM)
    return texts(value, lambda text: _PATTERN.fullmatch(text) is not None, EVENTS_FORM)


class Webhook(Table):
    """A receiver of events."""

    name: Annotated[str, text_like(_NAME, NAME_FORM)] = Field(
        description="Its name, for lists and the API."
    )
    url: HttpUrl = Field(description="Where events are posted to.")
    secret: Annotated[SecretStr, AfterValidator(_secret)] = Field(description="Signs them.")
    events: Annotated[tuple[str, ...], BeforeValidator(_events)] = Field(
        default=("*",), description='Patterns of the events that are told, such as "stream.*".'
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What in the URL nobody is shown."""
        return show_url(self.url).secrets


def _differ(webhooks: Sequence[Webhook]) -> Sequence[Webhook]:
    names = [webhook.name for webhook in webhooks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two entries have the name {name}")
    return webhooks


Webhooks = Annotated[
    tuple[Webhook, ...],
    entries(Webhook, WEBHOOKS_FORM, "webhooks", name="name", most=MOST_WEBHOOKS),
    AfterValidator(_differ),
    HIDDEN,
]
