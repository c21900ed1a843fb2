"""Words for what a setting takes, made from the limits of its field."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from headend.settings.values import WORKERS_FORM, size_text


def wrong(key: str, info: FieldInfo, fault: Mapping[str, Any]) -> str:
    """Say what pydantic found wrong with a value: what a validator said, or what is allowed."""
    # A validator that raised ValueError without words leaves them to the limits of the key.
    return str(fault.get("ctx", {}).get("error", "")) or allowed(key, info)


def allowed(key: str, info: FieldInfo) -> str:
    """Say in a few words which values a key such as `live.wait_s` takes; starts with "must be"."""
    if get_origin(info.annotation) is Literal:
        *most, last = (f'"{choice}"' for choice in get_args(info.annotation))
        return f"must be {', '.join(most)} or {last}"
    if get_origin(info.annotation) in (Union, UnionType) and int in get_args(info.annotation):
        return WORKERS_FORM
    if info.annotation in (int, float):
        return f"must be {_range(key, info)}"
    if info.annotation is bool:
        return "must be true or false"
    return "must be a text" if info.annotation in (str, SecretStr) else "must be a list of texts"


def _range(key: str, info: FieldInfo) -> str:
    least = next(limit.ge for limit in info.metadata if isinstance(limit, Ge))
    most = next(limit.le for limit in info.metadata if isinstance(limit, Le))
    if info.annotation is float:
        return f"a number from {least} to {most}"
    assert isinstance(least, int)
    assert isinstance(most, int)
    if key.endswith("bytes"):
        return f'a size from {size_text(least)} to {size_text(most)}, such as "16 MiB"'
    return f"a whole number from {least} to {most}"
