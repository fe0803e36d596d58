"""Filter in front of gradio that passes only the page's own requests to this server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from avforensics.serving.uploads import Uploads

log = logging.getLogger(__name__)

API = "/gradio_api/"
PAGE = ("/", "/theme.css", "/manifest.json", "/favicon.ico")
READS = (
    "/assets/",
    "/static/",
    "/results/",
    *(f"{API}{name}" for name in ("heartbeat/", "queue/data", "startup-events", "upload_progress")),
)
UPLOAD = f"{API}upload"
JOIN = f"{API}queue/join"
POSTS = (UPLOAD, JOIN, f"{API}cancel", f"{API}reset")
FILE = {"url": str, "orig_name": str, "mime_type": str, "path": str, "size": int, "is_stream": bool}
STALLED = 30.0  # seconds without a byte before an upload is stopped
SLOWEST = 20_000  # bytes per second: minimum average rate of an upload, after `STALLED`
MAX_BODY = 65_536  # bytes of a request, not counting an uploaded video
LENGTH = (b"content-length", b"transfer-encoding")  # the second header means an unknown length


class Refused(Exception):
    """A request must be refused.

    Parameters
    ----------
    status : int
        HTTP status.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Gate:
    """Middleware that rejects requests that the page never sends.

    gradio has many more routes than the page needs, downloads files given by URL, and opens any
    path that a request declares to be an upload. gradio's own checks run after this filter.

    Parameters
    ----------
    uploads : Uploads
        The only files that requests may name.
    names : iterable of str
        Names of this server besides ``localhost``. IP addresses are always accepted, because
        another site can point its own host name to this server, but not an address.
    functions : mapping of int to int, optional
        Number of inputs of each gradio function of the page, by the function's number. All inputs
        are uploads.
    """

    def __init__(
        self,
        app: Any,
        uploads: Uploads,
        names: Iterable[str] = (),
        functions: Mapping[int, int] | None = None,
    ) -> None:
        self.app = app
        self.uploads = uploads
        self.functions = functions or {}
        self.names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check_host(scope)
            _check_site(scope)
            _check_route(scope["method"], scope["path"])
            if scope["path"] == UPLOAD:
                with self.uploads.arriving(self._length(scope)) as came:
                    await self._receive_upload(scope, receive, send, came)
                return
            if scope["method"] == "POST":
                body = await _read(receive)
                content = self._check_body(body)
                if scope["path"] == JOIN:
                    self._check_call(content)
                receive = _again(body, receive)
            await self.app(scope, receive, send)
        except Refused as refused:
            if scope["path"] == UPLOAD:
                log.info("an upload was rejected: %s", refused)
            await _answer(send, refused)

    async def _receive_upload(
        self, scope: dict, receive: Any, send: Any, came: Callable[[int], None]
    ) -> None:
        """Pass on an upload, and stop it if it stalls, so that its reserved space is released."""
        loop = asyncio.get_running_loop()
        begun, received, more, late = loop.time(), 0, True, False

        async def receive_in_time() -> dict:
            nonlocal received, more, late
            if not more:  # from now on, only a disconnect can arrive
                return await receive()
            ahead = begun + received / SLOWEST - loop.time()
            try:
                message = await asyncio.wait_for(receive(), STALLED + min(ahead, 0))
            except asyncio.TimeoutError:
                late = True
                return {"type": "http.disconnect"}
            more = message.get("more_body", False)
            n_bytes = len(message.get("body", b""))
            received += n_bytes
            came(n_bytes)
            return message

        async def send_in_time(message: dict) -> None:
            if not late:
                await send(message)

        try:
            await self.app(scope, receive_in_time, send_in_time)
        except Exception:
            if not late:
                raise
        if late:
            raise Refused(408, "the upload stalled for too long")

    def _check_host(self, scope: dict) -> None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        try:
            (host,) = hosts
            name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
        except ValueError:
            raise Refused(400, "the Host header is missing or invalid") from None
        if name not in self.names and not _is_address(name):
            raise Refused(403, "not a name of this server; add it with the setting names=")

    def _length(self, scope: dict) -> int:
        """Return the declared length of an upload in bytes."""
        if self.uploads.is_full:
            raise Refused(503, "too many videos have been sent; please try again later")
        try:
            (length,) = (int(value) for name, value in scope["headers"] if name in LENGTH)
        except ValueError:
            raise Refused(411, "an upload must declare its length") from None
        limits = self.uploads.limits
        if length > limits.max_bytes + MAX_BODY:
            raise Refused(
                413, f"the upload is too large: at most {limits.max_megabytes:g} MB are allowed"
            )
        return length

    def _check_body(self, body: bytes) -> Any:
        """Parse a request body, whose paths must all be uploads."""

        def check(part: dict) -> dict:
            if "path" in part and self.uploads.find(str(part["path"])) is None:
                raise Refused(403, "this path is not an upload")
            return part

        try:
            content = json.loads(body, object_hook=check)
            # reject what only Python accepts: NaN and lone surrogates
            json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
            return content
        except (ValueError, RecursionError):
            raise Refused(400, "not understood") from None

    def _check_call(self, content: Any) -> None:
        """Check that a request calls a function of the page and passes an upload or null per input.

        Other calls would make gradio fail.
        """
        content = content if isinstance(content, dict) else {}
        number, data = content.get("fn_index"), content.get("data")
        if (
            type(number) is not int  # True is also an int
            or not isinstance(data, list)
            or len(data) != self.functions.get(number)
            or not all(part is None or _is_upload(part) for part in data)
        ):
            raise Refused(400, "not understood")


def _is_upload(part: Any) -> bool:
    """Return True if a value has the form of the page's file references."""
    return (
        isinstance(part, dict)
        and isinstance(part.get("path"), str)
        and part.get("meta") == {"_type": "gradio.FileData"}
        and all(
            value is None or isinstance(value, FILE.get(key, (str, int)))
            for key, value in part.items()
            if key != "meta" and value != {}  # browsers send {} for values that JSON lacks
        )
    )


def _check_site(scope: dict) -> None:
    """Reject requests from other sites, which may link to this page but must not send data.

    Browsers send ``Sec-Fetch-Site`` only to https servers and to localhost, but ``Origin`` to any
    server. ``Origin`` is compared with ``Host``, which a proxy in front of this server must pass
    on.
    """
    if scope["method"] in ("GET", "HEAD"):
        return
    headers = dict(scope["headers"])
    own = headers.get(b"sec-fetch-site", b"none") in (b"same-origin", b"none")
    if b"origin" in headers:
        _, _, host = headers[b"origin"].lower().partition(b"://")
        own = own and host == headers[b"host"].lower()
    if not own:
        raise Refused(403, "this request comes from another site")


def _check_route(method: str, path: str) -> None:
    if method in ("GET", "HEAD"):
        used = path in PAGE or path.startswith(READS)
    else:
        used = method == "POST" and path in POSTS
    if not used:
        raise Refused(404, "page not found")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _read(receive: Any) -> bytes:
    """Read the whole body of a small request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise Refused(413, "too long")
    return body


def _again(body: bytes, receive: Any) -> Any:
    """Make a ``receive`` that replays a body that was already read."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> dict:
        return rest.pop() if rest else await receive()

    return replay


async def _answer(send: Any, refused: Refused) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{refused}\n".encode()})
