"""The command `doctor`: what could keep a server from doing its work, and what to do about it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import found
from headend.cli.diagnoses import (
    Diagnosis,
    clock,
    disks,
    folder,
    libraries,
    open_files,
    ports,
)
from headend.cli.serve import ConfigFlag, DataFlag, SetFlag
from headend.errors import HeadendError
from headend.redaction import redact

if TYPE_CHECKING:
    from headend.app.running_file import Running
    from headend.settings import Settings

TIMEOUT_S: Final = 5.0
SLOW_S: Final = 0.1  # of Redis
EXPIRES_SOON_DAYS: Final = 14
_MARKS: Final = {"ok": "ok", "warning": "WARNING", "failed": "FAILED"}


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(doctor)


def doctor(
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> int:
    """Check ports, folders, certificates, clock, disks and what else the server needs.

    The exit code is 1 if something is wrong that the server cannot do without.
    """
    effective = found(config, settings, data).settings
    findings = list(_findings(effective))
    if as_json:
        output.result_json(
            {"data": str(effective.data), "findings": [asdict(each) for each in findings]}
        )
    else:
        output.result("\n".join(map(_lines, findings)))
    return int(any(each.state == "failed" for each in findings))


def _lines(finding: Diagnosis) -> str:
    line = f"{_MARKS[finding.state]:<8} {finding.check}: {finding.text}"
    return f"{line}\n{'':<8} -> {finding.to_do}" if finding.to_do else line


def _findings(settings: "Settings") -> Iterator[Diagnosis]:
    from headend.app.running_file import find

    running = None
    with suppress(HeadendError):  # the data folder may not be read: told below
        running = find(settings.data)
    yield from ports(settings, running)
    yield from folder(settings)
    yield from disks(settings)
    yield from _certificates(settings)
    yield from clock()
    yield from open_files(settings)
    yield from libraries(settings)
    yield from _public_names(settings, running)
    yield from _services(settings)


def _certificates(settings: "Settings") -> Iterator[Diagnosis]:
    from datetime import UTC, datetime

    from headend.tls import self_signed
    from headend.tls.certificate_files import read_pair

    if not settings.tls.listen:
        return
    now = datetime.now(UTC)
    for pair in settings.tls.certificates:
        try:
            certificate = read_pair(pair.cert, pair.key, now).certificate
        except HeadendError as error:
            yield Diagnosis("certificates", "failed", str(error), "put the right files there")
            continue
        days = (certificate.not_after - now).days
        text = f"{pair.cert} is for {', '.join(certificate.names)}, {days} days valid"
        if days > EXPIRES_SOON_DAYS:
            yield Diagnosis("certificates", "ok", text)
        else:
            to_do = "renew it; the server reads the new files by itself"
            yield Diagnosis("certificates", "warning", text, to_do)
    if settings.tls.certificates:
        return
    if settings.tls.acme.domains:
        text = f"an authority certifies {', '.join(settings.tls.acme.domains)}"
        yield Diagnosis("certificates", "ok", text)
        return
    place = settings.data / self_signed.FOLDER
    to_do = 'name your domain: tls.acme.domains = ["live.example.com"]; or tls.certificates'
    yield Diagnosis(
        "certificates", "warning", f"self-signed ({place}): encoders do not trust it", to_do
    )


def _public_names(settings: "Settings", running: "Running | None") -> Iterator[Diagnosis]:
    """Say whether the names of this server lead to it."""
    import socket

    from headend.tls.self_signed import machine_names

    names = dict.fromkeys((*settings.tls.acme.domains, *settings.http.hosts))
    for name in names:
        if name.startswith("*."):
            continue
        try:
            found_addresses = sorted({each[4][0] for each in socket.getaddrinfo(name, None)})
        except OSError as error:
            to_do = f"add an A or AAAA record for {name} at its DNS provider"
            yield Diagnosis("public name", "failed", f"{name}: {error.strerror or error}", to_do)
            continue
        shown = ", ".join(map(str, found_addresses))
        if not set(map(str, found_addresses)) & set(machine_names()):
            to_do = "behind a router or a balancer that is right if it passes the ports on to here"
            text = f"{name} leads to {shown}, which is not an address of this machine"
            yield Diagnosis("public name", "warning", text, to_do)
        else:
            yield Diagnosis("public name", "ok", f"{name} leads to {shown}")
        if running is not None:
            yield from _reached(name, running)


def _reached(name: str, running: "Running") -> Iterator[Diagnosis]:
    for listener, addresses in (("tls", running.tls), ("rtmp", running.rtmp)):
        port = addresses[0].rpartition(":")[2] if addresses else ""
        if port.isdecimal():
            yield _connection("public name", f"{listener} at {name}:{port}", name, int(port))


def _connection(check: str, what: str, host: str, port: int) -> Diagnosis:
    import socket

    try:
        socket.create_connection((host, port), TIMEOUT_S).close()
    except OSError as error:
        to_do = "open the port in firewalls, or start what should listen there"
        return Diagnosis(check, "failed", f"{what}: {error.strerror or error}", to_do)
    return Diagnosis(check, "ok", f"{what} is reached")


def _services(settings: "Settings") -> Iterator[Diagnosis]:
    """Say whether PostgreSQL, Redis and the object store answer, where there are any."""
    url = settings.auth.database.get_secret_value()
    if url.startswith("postgres"):
        yield _database(settings)
    if settings.cluster.redis.get_secret_value():
        yield _redis(settings)
    if settings.record.store:
        yield _store(settings)


def _database(settings: "Settings") -> Diagnosis:
    """Ask PostgreSQL, without making or changing tables."""
    import asyncio

    from headend.settings.extras import require

    require("asyncpg", "auth.database")
    import asyncpg  # type: ignore[import-untyped]

    async def may_make_tables() -> bool:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await asyncpg.connect(settings.auth.database.get_secret_value())
            try:
                query = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
                return bool(await connection.fetchval(query))
            finally:
                await connection.close()

    try:
        may = asyncio.run(may_make_tables())
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        words = redact(str(error)) or "it does not answer"
        return Diagnosis("database", "failed", words, "start PostgreSQL, or mend auth.database")
    if not may:
        to_do = "GRANT CREATE ON SCHEMA public TO the user of auth.database"
        return Diagnosis("database", "failed", "the user may make no tables", to_do)
    return Diagnosis("database", "ok", "PostgreSQL answers")


def _redis(settings: "Settings") -> Diagnosis:
    """Ask Redis, and whether other nodes there have another secret."""
    from headend.cluster.redis_check import look_now

    secret = settings.cluster.secret.get_secret_value()
    if not secret:
        text = "cluster.secret is not set"
        return Diagnosis("redis", "failed", text, "set it, the same on all nodes")
    try:
        facts = look_now(settings.cluster.redis.get_secret_value(), secret.encode())
    except HeadendError as error:
        to_do = "start Redis, or mend cluster.redis"
        return Diagnosis("redis", "failed", redact(str(error)), to_do)
    answers = f"Redis {facts.version} answers within {1000 * facts.answer_s:.1f} ms"
    if facts.others:
        text = f"{answers}; nodes with another cluster.secret are there"
        to_do = "use the same cluster.secret on all nodes, or another database for each cluster"
        return Diagnosis("redis", "warning", text, to_do)
    if facts.answer_s > SLOW_S:
        to_do = "have Redis in the same network as the nodes: each publish waits for it"
        return Diagnosis("redis", "warning", answers, to_do)
    return Diagnosis("redis", "ok", answers)


def _store(settings: "Settings") -> Diagnosis:
    import asyncio
    import time

    from headend.objects.stores import Stores

    stores = Stores(lambda: settings)
    try:
        asyncio.run(stores.get(settings.record.store).older_than("doctor-", time.time()))
    except HeadendError as error:
        to_do = "see storage.endpoint, storage.key_id, storage.secret and the rights on the bucket"
        return Diagnosis("object store", "failed", str(error), to_do)
    finally:
        stores.close()
    return Diagnosis("object store", "ok", f"{settings.record.store} answers")
