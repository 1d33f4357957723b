"""A registration taken by any process reaches the one that works."""

import asyncio

import asyncpg

from ingest.store.connect import ConnectOptions
from service.registry import Registry
from service.registry_watch import watch_registry
from tests.waiting import until

END_LISTENER = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name = 'watcher'"""


async def test_changes_are_heard_and_after_a_cut_every_lift_counts_as_changed(database_url):
    told: list[list[int]] = []
    options = ConnectOptions(application_name="watcher")
    async with asyncpg.create_pool(database_url, min_size=0, max_size=2) as pool:
        registry = Registry(pool)
        watching = asyncio.create_task(
            watch_registry(
                database_url, options, lambda ids: told.append(list(ids)), lambda: [1, 2, 3], 0.05
            )
        )
        await until(lambda: len(told) >= 1)
        assert told == [[]]  # listening from here on, nothing missed
        lift = await registry.register("A", {"sticker": "1"}, "me", 10**15, whole=True)
        await until(lambda: len(told) >= 2)
        assert told[1] == [lift]
        await registry.register("A", {"sticker": "1"}, "me", 10**15, whole=False)  # as it is
        await pool.execute(END_LISTENER)
        await until(lambda: len(told) >= 3)
        assert told[2] == [1, 2, 3]
        await registry.register("A", {"sticker": "2"}, "me", 10**15, whole=False)
        await until(lambda: len(told) >= 4)
        assert told[3] == [lift]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
