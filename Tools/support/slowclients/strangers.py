"""Holds slow and half-open connections. Reads words from standard input: `up` opens them and
answers once they are open, `count` says how many are, `down` closes them; the end of the input ends
the program."""

import asyncio
import itertools
import json
import resource
import sys

# What each kind sends at once. After that one byte now and then, never an end.
KINDS = {
    "silent": None,
    "half a head": b"POST / HTTP/1.1\r\nHost: h\r\nX-Slow: ",
    "half a body": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                   b"Content-Length: 60000\r\n\r\n{",
    "half a chunk": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\nffff\r\n{",
}
# Of a TLS server the silent ones say nothing, the others half a hello.
HELLO = bytes([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00])
BYTE_EVERY_SECONDS = 5
SLICES = 20
# As many being opened at a time.
OPENING_MAX = 100


class Stranger(asyncio.Protocol):
    def __init__(self, crowd, kind):
        self.crowd = crowd
        self.kind = kind

    def connection_made(self, transport):
        self.transport = transport
        self.crowd.open.add(self)
        self.crowd.opened += 1
        begin = KINDS[self.kind]
        if begin is not None:
            transport.write(HELLO if self.crowd.is_tls else begin)

    def eof_received(self):
        return False

    def connection_lost(self, error):
        self.crowd.open.discard(self)
        if not self.crowd.is_leaving:
            self.crowd.dropped += 1


class Crowd:
    def __init__(self, settings):
        self.port, self.wanted = settings["port"], settings["connections"]
        self.is_tls = settings["tls"]
        self.open = set()
        self.opened = self.dropped = self.failed = 0
        self.is_leaving = True
        self.kinds = itertools.cycle(KINDS)
        # Many addresses, so that the ports of one do not run out.
        self.addresses = itertools.cycle(f"127.1.{a}.{b}" for a in range(4) for b in range(1, 251))
        self.opening = 0

    async def connect(self):
        loop = asyncio.get_running_loop()
        kind = next(self.kinds)
        try:
            await loop.create_connection(
                lambda: Stranger(self, kind), "127.0.0.1", self.port,
                local_addr=(next(self.addresses), 0))
        except OSError:
            self.failed += 1
            await asyncio.sleep(0.5)
        finally:
            self.opening -= 1

    async def keep_full(self):
        """Whoever is closed comes back."""
        while True:
            while (not self.is_leaving and self.opening < OPENING_MAX
                   and len(self.open) + self.opening < self.wanted):
                self.opening += 1
                asyncio.ensure_future(self.connect())
            await asyncio.sleep(0.01)

    async def trickle(self):
        for turn in itertools.count():
            for stranger in list(self.open):
                if id(stranger) // 64 % SLICES == turn % SLICES:
                    if KINDS[stranger.kind] is not None and not stranger.transport.is_closing():
                        stranger.transport.write(b"x")
            await asyncio.sleep(BYTE_EVERY_SECONDS / SLICES)

    def count(self):
        kinds = {kind: sum(1 for one in self.open if one.kind == kind) for kind in KINDS}
        return {"open": len(self.open), "opened": self.opened, "dropped": self.dropped,
                "failed": self.failed, "kinds": kinds}

    async def up(self):
        self.is_leaving = False
        end = asyncio.get_running_loop().time() + 120
        while len(self.open) < self.wanted * 0.99:
            if asyncio.get_running_loop().time() > end:
                return {"error": f"only {len(self.open)} of {self.wanted} connections came about"}
            await asyncio.sleep(0.05)
        return self.count()

    async def down(self):
        self.is_leaving = True
        while self.open or self.opening:
            for stranger in list(self.open):
                stranger.transport.abort()
            await asyncio.sleep(0.05)
        return self.count()


async def main(settings):
    crowd = Crowd(settings)
    loop = asyncio.get_running_loop()
    background = [asyncio.ensure_future(crowd.keep_full()), asyncio.ensure_future(crowd.trickle())]
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        word = line.decode().strip()
        if word == "up":
            answer = await crowd.up()
        elif word == "down":
            answer = await crowd.down()
        else:
            answer = crowd.count()
        print(json.dumps(answer), flush=True)
    for task in background:
        task.cancel()


def raise_limit(wanted):
    """Each connection is an open file. Returns what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    needed = given["connections"] + 300
    if raise_limit(needed) < needed:
        sys.stdin.readline()
        print(json.dumps({
            "error": f"{needed} open files are needed and the system allows fewer; see ulimit -Hn"
        }), flush=True)
        sys.exit(1)
    asyncio.run(main(given))
