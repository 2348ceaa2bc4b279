"""Clients that come again as soon as they are gone."""
import asyncio

from client import Client
from daemon import PATIENCE


class Crowd:
    """Each comes back at a moment of its own; what is counted is who was turned away."""

    def __init__(self, daemon, size):
        self.daemon, self.refused, self.opened, self.here = daemon, 0, 0, 0
        self._tasks = [asyncio.create_task(self._live(i / size)) for i in range(size)]

    async def _live(self, pause):
        while True:
            try:
                client = await Client.open(self.daemon)
                self.opened += 1
                self.here += 1
                try:
                    await client.wait_for("$never")
                finally:
                    self.here -= 1
            except ConnectionRefusedError:
                self.refused += 1
            except Exception:  # pylint: disable=broad-except
                pass  # the end of a connection, in the handshake too
            await asyncio.sleep(pause / 10)

    async def all_here(self):
        async with asyncio.timeout(PATIENCE):
            while self.here < len(self._tasks):
                await asyncio.sleep(0.02)

    async def leave(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
