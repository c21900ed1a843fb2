"""Settings of object storage: how recordings and segments reach it."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr

from headend.redaction import shown_url
from headend.settings.section import Section
from headend.settings.texts import text_like
from headend.settings.values import http_url

STORE_FORM: Final = (
    "must be s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///FOLDER or empty"
)
_PATH: Final = r"(?:/[^\s?#/\\]+)*/?"
_STORE: Final = re.compile(
    rf"(?:(?:s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]{{0,254}}{_PATH}|file:///[^\s?#\\]+)?"
)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{0,128}")

StoreUrl = Annotated[
    str,
    text_like(_STORE, STORE_FORM),
    AfterValidator(lambda url: url.rstrip("/")),
]
OptionalHttpUrl = Annotated[
    str,
    AfterValidator(lambda url: url and http_url(url).rstrip("/")),
    PlainSerializer(shown_url),
]


class Storage(Section):
    """Object storage: access to what record.store and hls.store name."""

    endpoint: OptionalHttpUrl = Field(
        default="",
        description="URL of a server that speaks S3, such as MinIO; if empty, Amazon's.",
    )
    region: Annotated[str, text_like(_NAME, "must be a region such as eu-central-1")] = Field(
        default="", description="Region of S3; if empty, AWS_REGION of the environment."
    )
    key_id: Annotated[str, text_like(_NAME, "must be the id of an access key")] = Field(
        default="",
        description="Id of the access key (for Azure, name of the account); if empty, what the "
        "environment or the machine's role gives.",
    )
    secret: SecretStr = Field(
        default=SecretStr(""), description="Secret access key; if empty, as key_id."
    )
