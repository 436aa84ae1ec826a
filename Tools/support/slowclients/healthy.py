"""Calls at a fixed rate over connections that stay open, and measures. Reads words from standard
input: `run SECONDS` answers with the latencies; the end of the input ends the program."""

import asyncio
import hashlib
import hmac
import json
import ssl
import sys
import time

CALLS = [
    ("ApplyConcurrent", lambda user: {"UserId": user, "UserIp": "203.0.113.9",
                                      "ProjectId": "cap-slow"}),
    ("CreateSession", lambda user: {"UserId": user, "UserIp": "203.0.113.9",
                                    "ClientSession": "e30="}),
    ("ReportDisconnection", lambda user: {"UserId": user}),
    ("DescribeUserConcurrency", lambda user: {"UserId": user}),
    ("DestroySession", lambda user: {"UserId": user}),
]


class Signer:
    def __init__(self, settings):
        self.host = f"127.0.0.1:{settings['port']}"
        self.id, self.key = settings["id"], settings["key"]
        self.keys = {}

    def _signing_key(self, date):
        if date not in self.keys:
            key = ("TC3" + self.key).encode()
            for part in (date, "car", "tc3_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self.keys[date] = key
        return self.keys[date]

    def request(self, action, fields):
        body = json.dumps(fields)
        now = int(time.time())
        date = time.strftime("%Y-%m-%d", time.gmtime(now))
        canonical = "\n".join([
            "POST", "/", "", "content-type:application/json", f"host:{self.host}", "",
            "content-type;host", hashlib.sha256(body.encode()).hexdigest()])
        scope = f"{date}/car/tc3_request"
        text = "\n".join(["TC3-HMAC-SHA256", str(now), scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self._signing_key(date), text.encode(), hashlib.sha256).hexdigest()
        return (
            f"POST / HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
            f"X-TC-Action: {action}\r\nX-TC-Version: 2022-01-10\r\nX-TC-Timestamp: {now}\r\n"
            f"Authorization: TC3-HMAC-SHA256 Credential={self.id}/{scope}, "
            f"SignedHeaders=content-type;host, Signature={signature}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class Client:
    def __init__(self, number, signer, settings):
        self.number, self.signer, self.settings = number, signer, settings
        self.reader = self.writer = None
        self.turn = 0

    async def connect(self):
        context = None
        if self.settings["certificate"]:
            context = ssl.create_default_context(cafile=self.settings["certificate"])
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.settings["port"], ssl=context)

    async def call(self):
        """Seconds the call took; raises if it was refused or broke."""
        action, fields = CALLS[self.turn % len(CALLS)]
        self.turn += 1
        request = self.signer.request(action, fields(f"healthy-{self.number}"))
        if self.writer is None:
            await self.connect()
        begun = time.perf_counter()
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await self.reader.readexactly(length)
        took = time.perf_counter() - begun
        response = json.loads(body)["Response"]
        if "Error" in response:
            raise RuntimeError(response["Error"]["Code"])
        return took

    async def run(self, end, interval, latencies, faults):
        due = asyncio.get_running_loop().time() + interval * self.number / self.settings["clients"]
        while due < end:
            await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
            due += interval
            try:
                latencies.append(await asyncio.wait_for(self.call(), 20))
            except (OSError, RuntimeError, EOFError, ValueError, asyncio.TimeoutError) as error:
                faults.append(f"{type(error).__name__} {error}".strip())
                if self.writer:
                    self.writer.close()
                self.reader = self.writer = None

    async def newcomer(self, latencies, faults):
        """A call on a connection of its own, the opening included."""
        self.writer = None
        begun = time.perf_counter()
        try:
            await asyncio.wait_for(self.call(), 20)
            latencies.append(time.perf_counter() - begun)
        except (OSError, RuntimeError, EOFError, ValueError, asyncio.TimeoutError) as error:
            faults.append(f"newcomer: {type(error).__name__} {error}".strip())
        if self.writer:
            self.writer.close()


async def measure(clients, signer, settings, seconds):
    end = asyncio.get_running_loop().time() + seconds
    interval = len(clients) / settings["rate"]
    latencies, newcomers, faults = [], [], []

    async def arrivals():
        number = len(clients)
        while asyncio.get_running_loop().time() < end:
            await Client(number, signer, settings).newcomer(newcomers, faults)
            await asyncio.sleep(0.1)

    await asyncio.gather(
        arrivals(), *(client.run(end, interval, latencies, faults) for client in clients))
    return {"latencies": latencies, "newcomers": newcomers, "faults": faults}


async def main(settings):
    signer = Signer(settings)
    clients = [Client(number, signer, settings) for number in range(settings["clients"])]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        seconds = float(line.decode().split()[1])
        print(json.dumps(await measure(clients, signer, settings, seconds)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
