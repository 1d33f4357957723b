"""Private TimescaleDB and Mosquitto start, obey, keep their data and end with their owner."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from service.stack import Stack, StackError, keeper, open_stack, shared
from service.stack.files import stack_dir
from service.stack.postgres import is_accepting

ROOT = Path(__file__).resolve().parents[2]
NOT_AUTHORIZED = 0x87
REFUSED = 0x80


def query(url: str, *statements: str) -> object:
    """Run statements on one connection and return the last one's value."""

    async def run() -> object:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(run())


def eventually(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.02)


class Client:
    """A plain MQTT 5 client that remembers what came and how publishing ended."""

    def __init__(self, url: str, client_id: str = "") -> None:
        parts = urlsplit(url)
        self.received: list[tuple[str, bytes]] = []
        self.reasons: dict[int, int] = {}
        self.disconnected = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5)
        self._client.username_pw_set(parts.username, parts.password)
        self._client.on_message = lambda _c, _u, m: self.received.append((m.topic, m.payload))
        self._client.on_publish = self._published
        self._client.on_disconnect = lambda *_: self.disconnected.set()
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600 if client_id else 0
        self._client.connect(
            parts.hostname, parts.port, clean_start=not client_id, properties=properties
        )
        self._client.loop_start()

    def _published(self, _client, _data, mid, reason, _properties) -> None:
        self.reasons[mid] = reason.value

    def subscribe(self, topic: str) -> None:
        done = threading.Event()
        self._client.on_subscribe = lambda *_: done.set()
        self._client.subscribe(topic, qos=1)
        assert done.wait(5)

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> int:
        mid = self._client.publish(topic, payload, qos=1, retain=retain).mid
        eventually(lambda: mid in self.reasons)
        return self.reasons[mid]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def own() -> Stack:
    with open_stack(ROOT, own=True) as stack:
        yield stack


@pytest.fixture
def connect():
    """Return a function that connects a client and closes it after the test."""
    clients: list[Client] = []

    def make(url: str, client_id: str = "") -> Client:
        clients.append(Client(url, client_id))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_the_database_is_empty_durable_and_has_timescaledb(own: Stack):
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert query(own.database_url, tables) == 0
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert query(own.database_url, f"SHOW {name}") == "on"
    assert query(own.database_url, "SHOW max_wal_size") == "4GB"
    query(own.database_url, "CREATE DATABASE scratch", "SELECT 1")
    version = query(
        own.database_url.rsplit("/", 1)[0] + "/scratch",
        "CREATE EXTENSION timescaledb",
        "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'",
    )
    assert version
    query(own.database_url, "DROP DATABASE scratch WITH (FORCE)", "SELECT 1")


def test_a_wrong_password_is_refused(own: Stack):
    wrong = own.database_url.replace(urlsplit(own.database_url).password, "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(wrong, "SELECT 1")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_postgres_keeps_what_was_committed(own: Stack, how: str):
    query(own.database_url, f"CREATE TABLE kept_{how} AS SELECT 7 AS x", "SELECT 1")
    port = own.postgres.port
    getattr(own.postgres, how)()
    assert not own.postgres.running
    with pytest.raises(ConnectionRefusedError):
        query(own.database_url, "SELECT 1")
    own.postgres.start()
    assert own.postgres.port == port
    assert query(own.database_url, f"SELECT x FROM kept_{how}") == 7
    query(own.database_url, f"DROP TABLE kept_{how}", "SELECT 1")


def test_a_frozen_postgres_holds_its_connections(own: Stack):
    own.postgres.freeze()
    try:
        assert not is_accepting(own.postgres.port, timeout_s=0.3)
        assert own.postgres.running
    finally:
        own.postgres.thaw()
    assert query(own.database_url, "SELECT 1") == 1


def test_a_stopped_broker_keeps_sessions_queues_and_retained_messages(own: Stack, connect):
    reader = connect(own.mqtt_url, "kept-session")
    reader.subscribe("hoistway/v1/+/frames")
    reader.close()
    writer = connect(own.mqtt_url)
    assert writer.publish("hoistway/v1/g/frames", b"queued") < REFUSED
    assert writer.publish("hoistway/v1/g/status", b"online", retain=True) < REFUSED
    own.mosquitto.stop()
    assert not own.mosquitto.running
    own.mosquitto.start()
    again = connect(own.mqtt_url, "kept-session")
    again.subscribe("hoistway/v1/+/status")
    eventually(lambda: len(again.received) == 2)
    assert {payload for _, payload in again.received} == {b"queued", b"online"}


def test_a_gateway_publishes_and_reads_under_its_own_name_only(own: Stack, connect):
    one = connect(own.mosquitto.add_user("gate-1", "pw1"))
    two = connect(own.mosquitto.add_user("gate%202", "pw2"))
    service = connect(own.mqtt_url)
    service.subscribe("hoistway/v1/+/frames")
    one.subscribe("hoistway/v1/#")
    assert one.publish("hoistway/v1/gate-1/frames", b"mine") < REFUSED
    assert two.publish("hoistway/v1/gate%202/frames", b"encoded") < REFUSED
    assert one.publish("hoistway/v1/gate%202/frames", b"forged") == NOT_AUTHORIZED
    assert one.publish("hoistway/v1/gate-1/../gate%202/frames", b"tricky") in (0, NOT_AUTHORIZED)
    assert one.publish("elsewhere", b"stray") == NOT_AUTHORIZED
    assert service.publish("hoistway/v1/gate-1/rescue/lift", b"help") < REFUSED
    assert service.publish("hoistway/v1/gate%202/rescue/lift", b"not yours") < REFUSED
    assert service.publish("hoistway/v1/gate-9/frames", b"any") < REFUSED
    eventually(lambda: len(service.received) >= 3 and bool(one.received))
    assert {payload for _, payload in service.received} == {b"mine", b"encoded", b"any"}
    assert [payload for _, payload in one.received] == [b"help"]


def test_nobody_comes_in_without_an_account(own: Stack):
    refused: list[int] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_connect = lambda _c, _u, _f, reason, _p: refused.append(reason.value)
    client.connect("127.0.0.1", own.mosquitto.port)
    client.loop_start()
    eventually(lambda: bool(refused))
    client.loop_stop()
    assert refused[0] == NOT_AUTHORIZED


def test_a_payload_of_one_mebibyte_passes(own: Stack, connect):
    assert connect(own.mqtt_url).publish("hoistway/v1/g/frames", bytes(1 << 20)) < REFUSED


@pytest.mark.parametrize("protocol", [paho.MQTTv311, paho.MQTTv5])
def test_an_oversized_payload_is_never_acknowledged(own: Stack, protocol: int):
    parts = urlsplit(own.mqtt_url)
    acknowledged: list[int] = []
    gone = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol, reconnect_on_failure=False)
    client.username_pw_set(parts.username, parts.password)
    client.on_publish = lambda _c, _u, mid, _r, _p: acknowledged.append(mid)
    client.on_disconnect = lambda *_: gone.set()
    client.connect(parts.hostname, parts.port)
    client.loop_start()
    client.publish("hoistway/v1/g/frames", bytes((1 << 20) + 2000), qos=1)
    assert gone.wait(10)
    client.loop_stop()
    assert acknowledged == []


def test_more_messages_queue_than_mosquitto_holds_by_default(own: Stack, connect):
    reader = connect(own.mqtt_url, "slow-session")
    reader.subscribe("hoistway/v1/many/frames")
    reader.close()
    writer = connect(own.mqtt_url)
    infos = [writer._client.publish("hoistway/v1/many/frames", b"%d" % i, 1) for i in range(3000)]
    infos[-1].wait_for_publish(10)
    again = connect(own.mqtt_url, "slow-session")
    eventually(lambda: len(again.received) == 3000)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_servers_end_with_their_owner_however_it_ends(number: signal.Signals):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom service.stack import open_stack\n"
        "with open_stack(Path(sys.argv[1]), own=True) as s:\n"
        "    for g in s.guards: print(g.pid, g.directory, flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(ROOT)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with owner:
        lines = [owner.stdout.readline().split() for _ in range(2)]
        owner.send_signal(number)
    for pid, directory in lines:
        eventually(lambda pid=pid: keeper.start_ticks(int(pid)) is None)
        eventually(lambda directory=directory: not Path(directory).exists())


def test_a_server_ends_when_its_keeper_is_killed():
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        pid = stack.mosquitto.pid
        os.kill(stack.mosquitto._keeper.pid, signal.SIGKILL)
        eventually(lambda: keeper.start_ticks(pid) is None)
        assert not stack.mosquitto.running


def test_servers_outlive_the_thread_that_started_them():
    box: list[Stack] = []

    def start() -> None:
        context = open_stack(ROOT, own=True, services=frozenset({"mosquitto"}))
        box.append(context)
        box.append(context.__enter__())

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    box[1].mosquitto.add_user("later", "pw")  # answers only if it still runs
    assert box[1].mosquitto.running
    box[0].__exit__(None, None, None)
    assert not box[1].mosquitto.running


def test_a_server_that_cannot_start_says_why():
    with (
        pytest.raises(StackError, match="no_such_setting"),
        open_stack(
            ROOT,
            own=True,
            services=frozenset({"postgres"}),
            postgres_settings={"no_such_setting": "1"},
        ),
    ):
        pass


def test_addresses_in_the_environment_go_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", "postgresql://u:p@db.example/x")
    monkeypatch.setenv("HOISTWAY_MQTT_URL", "mqtt://u:p@broker.example")
    with open_stack(ROOT) as stack:
        assert (stack.origin, stack.postgres, stack.mosquitto) == ("environment", None, None)
        assert stack.database_url == "postgresql://u:p@db.example/x"


def test_the_shared_stack_comes_up_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOISTWAY_STACK_DIR", str(stack_dir(ROOT)))
    threads = [threading.Thread(target=shared.up, args=(tmp_path,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.is_running(tmp_path)
    lines = shared.env_file(tmp_path).read_text().splitlines()
    addresses = dict(line.split("=", 1) for line in lines)
    assert list(addresses) == ["HOISTWAY_DATABASE_URL", "HOISTWAY_MQTT_URL"]
    assert query(addresses["HOISTWAY_DATABASE_URL"], "SELECT 1") == 1
    instances = shared._instances(tmp_path)
    assert shared.down(tmp_path)
    assert not shared.down(tmp_path)
    assert not any(path.exists() for path in instances)
    assert not shared.env_file(tmp_path).exists()
