"""A rig: the real service between a real broker, a real database and a real desk.

Demo, acceptance tests and benches use it, so all of them measure the program that operators run. It
makes a database and a broker session of its own and leaves neither behind.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
from anyio.to_thread import run_sync

from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import delete_session
from ingest.source import SourceError
from migrations.run import upgrade
from service import keys
from service.child import ServiceProcess, free_port
from service.clock import SystemClock
from service.database import database_at
from service.desk import Desk, DeskSettings
from service.registry import Registry
from service.roles import Role

ACTOR = "rig"


@dataclass(frozen=True, slots=True)
class RigSettings:
    """What a rig needs.

    Parameters
    ----------
    database_url, mqtt_url
        The services; the role may create databases, the account may publish for any gateway.
    directory
        Takes the log of the service.
    environment
        Further ``HOISTWAY_...`` settings.
    registrations
        Lifts to register before the service starts: (code, fields of the registry).
    accept_as, accept_after_s
        Who takes cases at the desk, and when; see ``DeskSettings``.
    """

    database_url: str
    mqtt_url: str
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    registrations: Sequence[tuple[str, Mapping[str, Any]]] = ()
    accept_as: str | None = "demo desk"
    accept_after_s: float | None = 0.5


class Rig:
    """Use as ``async with Rig(settings) as rig``: entered when the service is ready."""

    def __init__(self, settings: RigSettings) -> None:
        self.settings = settings
        name = f"hoistway_rig_{secrets.token_hex(6)}"
        self.client_id = name
        self.database_url = database_at(settings.database_url, name)
        self.clock = SystemClock()
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.desk: Desk
        self.service: ServiceProcess
        self.pool: asyncpg.Pool
        self._name = name
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Make the database, start the desk and the service, wait until it is ready."""
        try:
            await self.prepare()
            await self.service.start()
            await self.service.wait_ready()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything and remove database and session."""
        await self._stack.aclose()

    async def prepare(self) -> None:
        """Do everything but start the service; ``__aexit__`` cleans up."""
        await self._make_database()
        self.pool = await self._stack.enter_async_context(
            asyncpg.create_pool(self.database_url, min_size=0, max_size=3)
        )
        await self._register()
        self._stack.push_async_callback(self._forget_session)
        port = free_port()
        desk_settings = DeskSettings(
            secrets=(self.secret,),
            accept_as=self.settings.accept_as,
            accept_after_s=self.settings.accept_after_s,
            api_url=f"http://127.0.0.1:{port}",
            api_key=await self.make_key("desk", Role.DISPATCHER),
        )
        self.desk = await self._stack.enter_async_context(Desk(desk_settings, self.clock))
        environment = {
            "HOISTWAY_DATABASE_URL": self.database_url,
            "HOISTWAY_MQTT_URL": self.settings.mqtt_url,
            "HOISTWAY_MQTT_CLIENT_ID": self.client_id,
            "HOISTWAY_DISPATCH_URLS": self.desk.url,
            "HOISTWAY_DISPATCH_SECRET": self.secret,
            **self.settings.environment,
        }
        log_path = self.settings.directory / "service.log"
        self.service = ServiceProcess(environment, log_path, http_port=port)
        self._stack.push_async_callback(self._stop_service)

    async def make_key(self, name: str, role: Role) -> str:
        """Make an API key and return its token."""
        key = keys.make(name, role)
        conn = await asyncpg.connect(self.database_url)
        try:
            await keys.create(conn, key, ACTOR, self.clock.now_us())
        finally:
            await conn.close()
        return key.token

    async def count(self, table_query: str, *args: Any) -> Any:
        """Return the first value of a query on the rig's database."""
        return await self.pool.fetchval(table_query, *args)

    async def _register(self) -> None:
        registry = Registry(self.pool)
        for code, fields in self.settings.registrations:
            await registry.register(code, fields, ACTOR, self.clock.now_us(), whole=True)

    async def _make_database(self) -> None:
        await self._administer(f'CREATE DATABASE "{self._name}"')
        self._stack.push_async_callback(
            self._administer, f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)'
        )
        await run_sync(upgrade, self.database_url)

    async def _administer(self, statement: str) -> None:
        conn = await asyncpg.connect(self.settings.database_url)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()

    async def _stop_service(self) -> None:
        try:
            await self.service.stop()
        except TimeoutError:
            await self.service.kill()

    async def _forget_session(self) -> None:
        settings = MqttSettings(url=self.settings.mqtt_url, client_id=self.client_id)
        try:
            await delete_session(settings, self.clock)
        except SourceError:
            return  # the broker is gone, and the session with it
