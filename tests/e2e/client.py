"""A client of the native dialect on top of Debian's python3-websockets."""
import asyncio
import json

import websockets
from daemon import PATIENCE


class Client:
    def __init__(self, socket):
        self.socket = socket
        self.hello = None

    @classmethod
    async def open(cls, daemon, path="/ws", *, user=None, token=None, hello=True, scheme="ws", **options):
        """With `user` or `token` the token travels as the second subprotocol, as in a browser."""
        if user:
            token = daemon.token(user, name=user)
        options.setdefault("subprotocols", ["wayleave.v1", token] if token else None)
        options.setdefault("compression", None)
        options.setdefault("ping_interval", None)
        options.setdefault("max_size", None)
        socket = await websockets.connect(f"{scheme}://127.0.0.1:{daemon.port}{path}", open_timeout=PATIENCE, **options)
        client = cls(socket)
        if hello:
            client.hello = await client.next()
            assert client.hello["type"] == "$hello", f"the first message is {client.hello}"
        return client

    async def send(self, type=None, **members):
        """Members that cannot be Python names come as {"$id": 1} in `more`."""
        more = members.pop("more", {})
        await self.raw(json.dumps({**({"type": type} if type else {}), **members, **more}))

    async def raw(self, text):
        await self.socket.send(text)

    async def next(self):
        return json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))

    async def expect(self, type, **members):
        """The next message must be of this type and have these members."""
        message = await self.next()
        assert message.get("type") == type, f"expected {type}, got {message}"
        for name, value in members.items():
            assert message.get(name) == value, f"expected {name} = {value!r}, got {message}"
        return message

    async def wait_for(self, type, **members):
        """As expect(), but others may come before it."""
        while True:
            message = await self.next()
            if message.get("type") == type and all(message.get(k) == v for k, v in members.items()):
                return message

    async def ask(self, type, **members):
        """Sends with a `$id` and returns the answer to it; what comes before the answer is dropped."""
        self.number = getattr(self, "number", 0) + 1
        await self.send(type, more={"$id": self.number, **members.pop("more", {})}, **members)
        while True:
            message = await self.next()
            if message.get("re") == self.number:
                return message

    async def must(self, type, answer="$ok", **members):
        message = await self.ask(type, **members)
        assert message["type"] == answer, f"{type} {members} was answered {message}"
        return message

    async def refused(self, type, error, **members):
        message = await self.ask(type, **members)
        assert message["type"] == "$error" and message["error"] == error, f"{type} {members} was answered {message}"
        return message

    async def subscribe(self, channel):
        return await self.must("$subscribe", "$subscribed", channel=channel)

    async def quiet(self):
        """Nothing is waiting: an answer to $ping comes before anything else."""
        await self.send("$ping", more={"$id": "quiet"})
        await self.expect("$pong", re="quiet")

    async def closed(self):
        """The messages until the connection ended, and the code it ended with."""
        messages = []
        try:
            while True:
                messages.append(await self.next())
        except websockets.ConnectionClosed:
            return messages, self.socket.close_code

    async def close(self, code=1000):
        await self.socket.close(code)


async def status_of(daemon, path="/ws", **options):
    """The status of a handshake: 101, or that of the refusal."""
    try:
        client = await Client.open(daemon, path, hello=False, **options)
    except websockets.InvalidStatusCode as refusal:
        return refusal.status_code
    await client.close()
    return 101
