"""Lists of tables in settings: each entry is a model; what is wrong is said in words.

[[relay.out]] ─┐
text of a flag ─┴─► list ─► entry 1, 2 … ─► Table   or   entry 2 ("live/*"): url must be …
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import (
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from headend.settings.allowed import wrong
from headend.settings.secret_files import SUFFIX, read_secret, takes_file
from headend.settings.section import Section
from headend.settings.texts import listed_tables, shown_item

MOST_ENTRIES: Final = 1000

# What is told first of an entry that is wrong in several ways: the rest may follow from it.
_FIRST: Final = ("extra_forbidden", "missing")


# In the context of a validation whose values may name files: the environment, for `read_secret`.
ENVIRON: Final = "environ"


class Table(Section):
    """An entry of a list of tables. A secret may be in a file, which `NAME_file` names."""

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, value: object, info: ValidationInfo) -> object:
        context = info.context or {}
        if not isinstance(value, dict) or ENVIRON not in context:
            return value
        read = dict(value)
        for name in cls.secret_fields():
            where = read.pop(f"{name}{SUFFIX}", None)
            if where is None:
                continue
            if name in read:
                raise ValueError(f"{name} and {name}{SUFFIX} are given: one of them is enough")
            try:
                read[name] = read_secret(where, context[ENVIRON])
            except ValueError as error:
                raise ValueError(f"{name}{SUFFIX}: {error}") from None
        return read

    @classmethod
    def secret_fields(cls) -> Sequence[str]:
        """Name the fields that hold a secret."""
        return [name for name, info in cls.model_fields.items() if takes_file(info)]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the fields that name files; what a file may hold is not required by itself."""
        schema = handler.resolve_ref_schema(handler(core))
        for name in cls.secret_fields():
            words = f"File that holds {name}, or credential:NAME of systemd."
            schema["properties"][f"{name}{SUFFIX}"] = {"type": "string", "description": words}
        required = [name for name in schema.get("required", ()) if name not in cls.secret_fields()]
        return schema | {"required": required}


T = TypeVar("T", bound=Table)
Place = tuple[int | str, ...]


def entries(
    kind: type[Table],
    form: str,
    what: str = "entries",
    *,
    name: str = "match",
    most: int = MOST_ENTRIES,
) -> WrapValidator:
    """Return what reads a list of tables; its errors say which entry is wrong, and in which field.

    Args:
        kind: Model of an entry.
        form: Words for what is no list at all.
        what: The entries, in a word.
        name: Field that tells entries apart for a person.
        most: Entries of a list.
    """

    def read(value: object, parse: Callable[[object], object]) -> object:
        items = listed_tables(value, form) if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError(form)
        if len(items) > most:
            raise ValueError(f"must be at most {most} {what}")
        try:
            return parse(items)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            number = faults[0]["loc"][0]
            assert isinstance(number, int)
            own = [(each["loc"][1:], each) for each in faults if each["loc"][0] == number]
            text = _explain(kind, own)
            raise ValueError(f"entry {number + 1}{_named(items[number], name)}: {text}") from None

    return WrapValidator(read)


def read_table(kind: type[T], item: object) -> T:
    """Read one table, as the API gets it.

    Raises:
        ValueError: It is wrong; says what is allowed.
    """
    try:
        return kind.model_validate(item)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise ValueError(_explain(kind, [(each["loc"], each) for each in faults])) from None


def _named(item: object, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    return f" ({shown_item(value)})" if isinstance(value, str) and value else ""


def _explain(kind: type[Table], faults: Sequence[tuple[Place, Mapping[str, Any]]]) -> str:
    """Say what is wrong with an entry, without its values; each fault has its place in it."""
    known = ", ".join(kind.model_fields)
    place, fault = min(faults, key=lambda each: (*_FIRST, each[1]["type"]).index(each[1]["type"]))
    if not place:
        said = str(fault.get("ctx", {}).get("error", ""))
        return said or f"it must be a table with the fields {known}"
    field = str(place[0])
    if fault["type"] == "extra_forbidden":
        return f"unknown field {shown_item(field)}; known are {known}"
    if fault["type"] == "missing":
        return f"{field} is missing"
    words = wrong(field, kind.model_fields[field], fault)
    return f"{field} {words}" if words.startswith("must") else f"{field}: {words}"
