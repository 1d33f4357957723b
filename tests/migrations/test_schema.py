"""Migrations: an empty database becomes the golden schema, there, back and there again."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from sqlalchemy import Connection

from ingest.store.layout import STORED
from migrations import run, server
from migrations.dump import dump_schema
from migrations.server import Edition, MigrationError, ensure_extension
from service.stack import Stack, open_stack

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "migrations" / "schema.sql"


def at(url: str, name: str, user: str = "", password: str = "") -> str:
    parts = urlsplit(url)
    netloc = parts.netloc if not user else f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(path=f"/{name}", netloc=netloc))


def ask(url: str, *statements: str) -> list[asyncpg.Record]:
    async def run_all() -> list[asyncpg.Record]:
        conn = await asyncpg.connect(url)
        try:
            rows: list[asyncpg.Record] = []
            for statement in statements:
                rows = await conn.fetch(statement)
            return rows
        finally:
            await conn.close()

    return asyncio.run(run_all())


def dump(url: str) -> str:
    async def read() -> str:
        conn = await asyncpg.connect(url)
        try:
            return await dump_schema(conn, run.head_revision())
        finally:
            await conn.close()

    return asyncio.run(read())


def revision(url: str) -> str | None:
    async def read() -> str | None:
        conn = await asyncpg.connect(url)
        try:
            return await run.current_revision(conn)
        finally:
            await conn.close()

    return asyncio.run(read())


@pytest.fixture
def empty_database(stack: Stack) -> Iterator[str]:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    ask(stack.database_url, f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield at(stack.database_url, name)
    ask(stack.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def test_an_empty_database_becomes_the_golden_schema(empty_database: str) -> None:
    assert revision(empty_database) is None
    done = run.upgrade(empty_database)
    assert (done.before, done.after) == (None, run.head_revision())
    assert revision(empty_database) == run.head_revision()
    assert dump(empty_database) == GOLDEN.read_text(encoding="utf-8")


def test_up_down_up_gives_the_same_schema_and_down_leaves_nothing(empty_database: str) -> None:
    run.upgrade(empty_database)
    run.downgrade(empty_database, "base")
    assert revision(empty_database) is None
    left = ask(
        empty_database,
        """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
           AND relname NOT LIKE 'alembic_version%'""",
    )
    assert left == []
    run.upgrade(empty_database)
    assert dump(empty_database) == GOLDEN.read_text(encoding="utf-8")


def test_a_second_run_changes_nothing_and_says_nothing(empty_database: str) -> None:
    run.upgrade(empty_database)
    head = run.head_revision()
    assert run.upgrade(empty_database) == run.Migrated(head, head, ())


def test_what_the_edition_lacks_is_spoken_of(empty_database: str) -> None:
    notes = " ".join(run.upgrade(empty_database).notes)
    (edition,) = ask(empty_database, "SHOW timescaledb.license")
    if edition[0] == "timescale":
        assert notes == ""
    else:
        assert "compression" in notes
        assert "retention" in notes
        assert "frames_hourly" in notes
        assert "community edition" in notes


def test_two_runs_at_once_queue_across_processes_and_threads(empty_database: str) -> None:
    code = "import sys; from migrations.run import upgrade; print(upgrade(sys.argv[1]).after)"
    command = [sys.executable, "-c", code, empty_database]
    others = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]

    async def both() -> list[run.Migrated]:
        upgrade = asyncio.to_thread(run.upgrade, empty_database)
        again = asyncio.to_thread(run.upgrade, empty_database)
        return await asyncio.gather(upgrade, again)

    heads = {done.after for done in asyncio.run(both())}
    heads |= {other.communicate(timeout=60)[0].strip() for other in others}
    assert heads == {run.head_revision()}
    assert dump(empty_database) == GOLDEN.read_text(encoding="utf-8")


def test_frames_has_the_columns_of_the_one_table(database_url: str) -> None:
    found = ask(
        database_url,
        """SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
           FROM pg_attribute a WHERE a.attrelid = 'frames'::regclass AND a.attnum > 0
           ORDER BY a.attnum""",
    )
    spelled = {"int": "integer", "timestamptz": "timestamp with time zone"}
    assert [tuple(row) for row in found] == [
        (stored.name, spelled.get(stored.sql, stored.sql), stored.column is None)
        for stored in STORED
    ]


def test_frames_is_a_hypertable_with_chunks_of_a_day_and_two_indexes(database_url: str) -> None:
    (dimension,) = ask(
        database_url,
        """SELECT column_name, time_interval FROM timescaledb_information.dimensions
           WHERE hypertable_name = 'frames'""",
    )
    assert dimension["column_name"] == "time"
    assert dimension["time_interval"].days == 1
    indexes = ask(database_url, "SELECT indexname FROM pg_indexes WHERE tablename = 'frames'")
    assert {row[0] for row in indexes} == {"frames_pkey", "frames_batch_idx"}


@pytest.mark.parametrize("table", ["alarm_events", "audit_log"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET data = '1'"])
def test_timelines_are_append_only(database_url: str, table: str, verb: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        ask(database_url, verb.format(table))


@pytest.fixture
def ordinary_role(stack: Stack) -> Iterator[tuple[str, str]]:
    name = f"role_{uuid.uuid4().hex[:12]}"
    ask(stack.database_url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    yield name, "secret"
    ask(stack.database_url, f"DROP ROLE {name}")


def test_an_ordinary_role_will_do_when_the_extension_is_there(
    empty_database: str, ordinary_role: tuple[str, str]
) -> None:
    user, password = ordinary_role
    name = urlsplit(empty_database).path[1:]
    ask(
        empty_database,
        "CREATE EXTENSION timescaledb",
        f'ALTER DATABASE "{name}" OWNER TO {user}',
        f"ALTER SCHEMA public OWNER TO {user}",
    )
    assert run.upgrade(at(empty_database, name, user, password)).after == run.head_revision()
    assert dump(empty_database) == GOLDEN.read_text(encoding="utf-8")
    ask(
        empty_database,
        f'ALTER DATABASE "{name}" OWNER TO CURRENT_USER',
        f"REASSIGN OWNED BY {user} TO CURRENT_USER",
        f"DROP OWNED BY {user}",
    )


def test_a_role_that_may_not_create_the_extension_is_told_who_may(
    empty_database: str, ordinary_role: tuple[str, str]
) -> None:
    name = urlsplit(empty_database).path[1:]
    ask(empty_database, f"GRANT CREATE ON SCHEMA public TO {ordinary_role[0]}")
    with pytest.raises(MigrationError, match="superuser") as caught:
        run.upgrade(at(empty_database, name, *ordinary_role))
    assert "CREATE EXTENSION timescaledb" in str(caught.value)
    assert revision(empty_database) is None
    ask(empty_database, f"DROP OWNED BY {ordinary_role[0]}")


def test_a_server_that_has_it_but_does_not_load_it_is_named() -> None:
    settings = {"shared_preload_libraries": ""}
    services = frozenset({"postgres"})
    with (
        open_stack(ROOT, own=True, services=services, postgres_settings=settings) as stack,
        pytest.raises(MigrationError, match="shared_preload_libraries") as caught,
    ):
        run.upgrade(stack.database_url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://nobody:x@127.0.0.1:1/none", "database not reachable"),
        ("mysql://a@b/c", "postgresql://user:pw@host:port/db"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_line(url: str, says: str) -> None:
    with pytest.raises(MigrationError, match=says) as caught:
        run.upgrade(url)
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_one_line(empty_database: str) -> None:
    name = urlsplit(empty_database).path[1:]
    with pytest.raises(
        MigrationError, match=r"database not reachable.*HOISTWAY_DATABASE_URL.*password"
    ):
        run.upgrade(at(empty_database, name, "hoistway", "wrong"))


def test_drivers_names_in_the_url_are_accepted() -> None:
    assert run.plain_url("postgresql+asyncpg://a:b@c:1/d") == "postgresql://a:b@c:1/d"


def test_a_server_without_timescaledb_is_told_what_to_install() -> None:
    answers = {"pg_extension": None, "pg_available_extensions": None, "server_version": "15.6"}

    class BareServer:
        def exec_driver_sql(self, sql: str) -> "BareServer":
            self.answer = next(value for key, value in answers.items() if key in sql)
            return self

        def scalar(self) -> str | None:
            return self.answer

    with pytest.raises(MigrationError, match="not installed") as caught:
        ensure_extension(cast("Connection", BareServer()))
    assert "install the package" in str(caught.value)
    assert "or use the server" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_refuses_community_features_is_migrated_all_the_same(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (license_,) = ask(empty_database, "SELECT current_setting('timescaledb.license', true)")
    if license_[0] == Edition.COMMUNITY:
        pytest.skip("this server refuses nothing")
    monkeypatch.setattr(server, "edition", lambda connection: Edition.COMMUNITY)
    notes = run.upgrade(empty_database).notes
    assert len(notes) == 3
    assert all(note.startswith("left out") and "license" in note for note in notes)
    assert dump(empty_database) == GOLDEN.read_text(encoding="utf-8")


def test_the_alembic_program_works_for_people_who_write_revisions(empty_database: str) -> None:
    program = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini"]
    for words in (["upgrade", "head"], ["downgrade", "base"], ["upgrade", "head"]):
        command = [*program, "-x", f"url={empty_database}", *words]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert revision(empty_database) == run.head_revision()
    without_url = subprocess.run(
        [*program, "upgrade", "head"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert without_url.returncode != 0
    assert "-x url=" in without_url.stderr
