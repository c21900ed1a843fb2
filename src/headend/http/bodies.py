"""Bodies of requests that are refused, or that nobody reads.

Only operations of the API take a body, of 64 KiB at most, and as it is: a body that is compressed
would cost a thousand times what it costs the client to send it.
"""

from aiohttp import web

from headend.http.problems import Handler, Problem


@web.middleware
async def refuse_codings(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that would have to be decoded (RFC 9110, 15.5.16; RFC 9112, 6.1)."""
    if request.body_exists:
        if _codings(request, "Content-Encoding") - {"identity"}:
            raise Problem(
                415,
                "Send the body as it is, without Content-Encoding.",
                headers={"Accept-Encoding": "identity"},
            )
        if _codings(request, "Transfer-Encoding") - {"chunked"}:
            raise Problem(501, "Send the body with no Transfer-Encoding but chunked.")
    return await handler(request)


def end_unread(request: web.Request, response: web.StreamResponse) -> None:
    """Have the connection end with an answer that does not wait for the rest of a body."""
    if not request.content.is_eof():
        response.force_close()
        response.headers["Connection"] = "close"


def _codings(request: web.Request, header: str) -> set[str]:
    text = ",".join(request.headers.getall(header, ()))
    return {coding.strip().lower() for coding in text.split(",")} - {""}
