"""The try-out desk and the HTTP client, against each other over real sockets."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from aiohttp import web

from alerting.client import REPLY_BYTES, HttpClient
from alerting.outgoing import Reply
from alerting.signature import Signer, Verification
from service.clock import SystemClock
from service.desk import Desk, DeskSettings
from service.desk_screen import line, run_desk, summary
from tests.waiting import until

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER = "whsec_" + "QUFB" * 10
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def post(
    url: str, kind: str = "raised", alarm: str = "a", sequence: int = 1, secret: str = SECRET
) -> Reply:
    data = {"alarm_id": alarm, "sequence": sequence, "onset": "2026", "ended": None,
            "accepted": None, "text": {"zh": "困人", "en": "Entrapment"}}  # fmt: skip
    body = json.dumps({"type": f"hoistway.alarm.{kind}", "data": data}).encode()
    now_s = SystemClock().now_us() // 1_000_000
    headers = Signer.of([secret]).headers(f"{alarm}/{sequence}", now_s, body)
    async with HttpClient(attempt_s=1) as client:
        return await client.post(url, headers, body)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield f"http{'s' if tls else ''}://localhost:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_it_takes_signed_messages_and_refuses_others() -> None:
    async with Desk(DeskSettings(secrets=(SECRET,))) as desk:
        assert (await post(desk.url)).status == 200
        assert (await post(desk.url, sequence=2, secret=OTHER)).status == 401
        assert [m.verification for m in desk.received] == [Verification.OK, Verification.NO_MATCH]
        assert len(desk.messages("raised")) == 1
        assert "1 with a bad signature" in summary(desk)
        assert "refused: no_match" in str(line(desk.received[1]))


async def test_it_knows_a_message_by_its_id() -> None:
    async with Desk(DeskSettings(secrets=(SECRET,))) as desk:
        for _ in range(3):
            await post(desk.url)
        assert [m.repeated for m in desk.received] == [False, True, True]
        assert len(desk.messages()) == 1


@pytest.mark.parametrize(
    ("behaviour", "reply"),
    [
        ("ok", Reply(200, None, b"{}")),
        ("500", Reply(500, None, b"{}")),
        ("204", Reply(204, None, b"")),
        ("redirect", Reply(307, None, b"{}")),
        ("hang", Reply(error="timeout")),
        ("slow:20", Reply(error="timeout")),
        ("cut", Reply(error="ServerDisconnectedError: Server disconnected")),
    ],
)
async def test_it_behaves_as_told(behaviour: str, reply: Reply) -> None:
    async with Desk(DeskSettings(secrets=(SECRET,))) as desk:
        desk.behave(behaviour)
        assert await post(desk.url) == reply
        desk.behave("ok")
        assert (await post(desk.url, sequence=2)).status == 200
        await desk.wait_for(lambda d: len(d.received) == 2)


async def test_unknown_behaviour_is_an_error() -> None:
    async with Desk(DeskSettings(secrets=(SECRET,))) as desk:
        with pytest.raises(ValueError, match="sulk"):
            desk.behave("sulk")


async def test_it_accepts_by_reply_also_when_the_message_is_repeated() -> None:
    async with Desk(DeskSettings(secrets=(SECRET,), accept_as="desk 3")) as desk:
        wanted = Reply(200, None, b'{"accepted_by": "desk 3"}')
        assert [await post(desk.url), await post(desk.url)] == [wanted, wanted]
        assert (await post(desk.url, "released", sequence=2)).body == b"{}"


async def test_it_accepts_by_api_after_a_delay_with_its_key_until_the_api_answers() -> None:
    asked: list[tuple[str, str]] = []

    async def api(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers["authorization"]))
        return web.Response(status=503 if len(asked) == 1 else 200)

    async with serving(api) as url:
        settings = DeskSettings(
            secrets=(SECRET,), accept_as="desk 3", accept_after_s=0.05, api_url=url, api_key="k"
        )
        async with Desk(settings) as desk:
            await post(desk.url)
            await post(desk.url, "updated", sequence=2)
            await until(lambda: len(asked) == 2, 5)
            assert await desk.release("a")
            assert await desk.false_alarm("a")
            assert not desk.acts_failed
    acts = ["accept", "accept", "release", "false-alarm"]
    assert asked == [(f"/v1/alarms/a/{act}", "Bearer k") for act in acts]


async def test_an_act_without_an_api_says_what_to_set() -> None:
    async with Desk(DeskSettings(secrets=(SECRET,))) as desk:
        await desk.accept("a")
        assert "HOISTWAY_API_URL" in desk.acts_failed[0]


async def test_a_refused_act_is_told_in_the_words_of_the_api() -> None:
    async def api(_: web.Request) -> web.Response:
        return web.json_response({"detail": "the alarm is over", "text": {}}, status=409)

    async with serving(api) as url, Desk(DeskSettings(secrets=(SECRET,), api_url=url)) as desk:
        await desk.release("a")
        assert desk.acts_failed == ["release a: 409 the alarm is over"]


async def test_the_screen_shows_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    def address() -> str | None:
        shown = capsys.readouterr().out
        return next((w for w in shown.split() if w.startswith("http")), None)

    async def visit() -> None:
        await post(await until(address))

    settings = DeskSettings(secrets=(SECRET,), accept_as="desk 3")
    await asyncio.gather(run_desk(settings, for_s=1.0), visit())
    shown = capsys.readouterr().out
    assert "困人" in shown
    assert "Entrapment" in shown
    assert "1 messages taken" in shown


async def test_the_client_names_what_is_wrong() -> None:
    async with HttpClient(attempt_s=2) as client:
        refused = await client.post("http://127.0.0.1:9/", {}, b"")
        assert refused.status is None
        assert "Cannot connect" in str(refused.error)
        nowhere = await client.post("http://desk.invalid/", {}, b"")
        assert nowhere == Reply(error="name not found: desk.invalid")
        assert (await client.post("not a url", {}, b"")).status is None


async def test_the_client_does_not_keep_a_huge_reply() -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (REPLY_BYTES + 1))

    async with serving(handler) as url, HttpClient() as client:
        assert await client.post(url, {}, b"") == Reply(200, None, b"")


@pytest.mark.parametrize("expired", [False, True])
async def test_tls_is_checked_and_an_expired_certificate_is_named(expired: bool) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(text="{}")

    authority = trustme.CA()
    until = datetime.now(UTC) + timedelta(days=-1 if expired else 1)
    server, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost", not_after=until).configure_cert(server)
    authority.configure_trust(ours)
    async with serving(handler, server) as url, HttpClient(tls=ours) as client:
        reply = await client.post(url, {}, b"")
    if expired:
        assert str(reply.error).startswith("certificate: ")
        assert "expired" in str(reply.error)
    else:
        assert reply.status == 200
