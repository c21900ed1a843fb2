"""This program is a FastAPI application with a server in it: uvicorn fastapi_app:app

Its users get tickets over HTTP, and who publishes shows one: rtmp://HOST/live/NAME?key=TICKET.
RTMP has an address of its own (environment variable RTMP, :1935 by default); there are no keys,
database or admin token of Headend's.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from headend import Server
from headend.hooks import Allow, Deny, Hooks, PublishRequest, StreamEnded

USERS = {"ann": "correct horse"}  # an application of your own asks its database

tickets: dict[str, tuple[str, str]] = {}  # ticket: stream, user
hooks = Hooks()


@hooks.on_publish
async def may_publish(request: PublishRequest) -> Allow | Deny:
    """Let in who shows a ticket for this stream."""
    stream, user = tickets.get(request.key or "", ("", ""))
    if stream != request.stream:
        return Deny("this stream needs a ticket; POST /tickets gives one")
    return Allow(subject=user)


@hooks.on(StreamEnded)
async def forget(event: StreamEnded) -> None:
    """A ticket is good for one stream, until it ends."""
    for ticket in [ticket for ticket, (stream, _) in tickets.items() if stream == event.stream]:
        del tickets[ticket]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the server as long as the application."""
    listen = os.environ.get("RTMP", ":1935")
    async with Server(rtmp={"listen": listen}, auth={"publish": "open"}, hooks=hooks) as server:
        app.state.server = server
        yield


app = FastAPI(lifespan=lifespan)


def signed_in(credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    """Return the name of the user."""
    password = USERS.get(credentials.username, secrets.token_hex())
    if not secrets.compare_digest(password.encode(), credentials.password.encode()):
        raise HTTPException(401, "wrong name or password", {"WWW-Authenticate": "Basic"})
    return credentials.username


@app.post("/tickets")
async def make_ticket(name: str, user: Annotated[str, Depends(signed_in)]) -> dict[str, str]:
    """Give a user leave to publish a stream."""
    ticket = secrets.token_urlsafe()
    tickets[ticket] = f"live/{name}", user
    return {"url": f"{app.state.server.url(f'live/{name}')}?key={ticket}"}


@app.get("/streams")
async def list_streams() -> list[dict[str, object]]:
    """Say what is live."""
    server: Server = app.state.server
    shown = ("path", "uptime_s", "bit_rate", "viewers")
    return [{key: stream[key] for key in shown} for stream in map(dict, server.streams())]


@app.get("/streams/live/{name}/brightness")
async def brightness(name: str) -> float:
    """Say how bright the newest picture is, from 0 to 1."""
    server: Server = app.state.server
    if not any(stream["path"] == f"live/{name}" for stream in server.streams()):
        raise HTTPException(404, "no such stream")
    async with server.stream(f"live/{name}") as stream, aclosing(stream.pictures("gray")) as seen:
        picture = await anext(seen)
    return round(float(picture.mean()) / 255, 3)
