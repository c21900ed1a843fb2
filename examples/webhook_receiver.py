"""A receiver of webhooks: checks each signature, and prints every event once.

    python webhook_receiver.py 9000 "a secret of 16 characters or more"

with this in headend.toml:

    [[webhooks]]
    name = "example"
    url = "http://127.0.0.1:9000/"
    secret = "a secret of 16 characters or more"
"""

import sys
from collections import OrderedDict

from aiohttp import web

from headend.webhooks import SignatureError, verify

REMEMBERED = 10_000


class Receiver:
    """Prints events, each of them once: a letter comes again when our answer was lost."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def receive(self, request: web.Request) -> web.Response:
        """Take one event."""
        body = await request.read()
        try:
            id = verify(body, request.headers, self._secret)
        except SignatureError as error:
            return web.Response(status=401, text=str(error))
        if id not in self._seen:
            self._seen[id] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            print(body.decode(), flush=True)
        return web.Response(status=204)


def main() -> None:
    """Serve until interrupted."""
    port, secret = int(sys.argv[1]), sys.argv[2]
    application = web.Application()
    application.router.add_post("/", Receiver(secret).receive)
    web.run_app(application, host="127.0.0.1", port=port, print=None)


main()
