"""One HTTP POST: the only HTTP client of the service.

A failure is a value, never an exception. Redirects are not followed, proxies and cookies of the
environment are not used, a reply is read up to 64 KiB. Private and loopback addresses are allowed.
"""

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp

from alerting.outgoing import Reply

REPLY_BYTES: Final = 65_536


class HttpClient:
    """An HTTP client with kept connections; use it as an async context manager."""

    def __init__(self, attempt_s: float = 5.0, tls: ssl.SSLContext | None = None) -> None:
        self._attempt_s = attempt_s
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, ssl=True if self._tls is None else self._tls)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._attempt_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "hoistway/1"},
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send once. A cancelled call closes its connection; the endpoint may have got it."""
        assert self._session is not None, "use HttpClient as an async context manager"
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Reply(status=response.status, body=await _start_of(response))
        except TimeoutError:
            return Reply(error="timeout")
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            # ValueError: a URL that cannot be one.
            return Reply(error=_sentence(error))


async def _start_of(response: aiohttp.ClientResponse) -> bytes:
    """Read the reply's start; a body that breaks off or is too long says nothing, 2xx stands."""
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > REPLY_BYTES:
                response.close()
                return b""
            pieces.append(piece)
    except (aiohttp.ClientError, asyncio.IncompleteReadError):
        return b""
    return b"".join(pieces)


def _sentence(error: BaseException) -> str:
    """Name the failure in one line, with the remedy where there is one."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"certificate: {error.certificate_error}"[:500]
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"name not found: {error.host}"
    # The text may quote what the endpoint sent; the database takes no NUL.
    text = "".join(c for c in str(error) if c.isprintable()).strip()
    return f"{type(error).__name__}: {text}".rstrip(": ")[:500]
