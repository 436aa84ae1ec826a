"""Holds slow and half-open connections. Reads words from standard input: `up` opens them and
answers once they are open, `count` says how many are, `down` closes them; the end of the input ends
the program."""

import itertools
import json
import os
import resource
import select
import socket
import sys
import time

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
# As many are opened before the rest is looked after.
OPENED_AT_ONCE = 200
UP_WITHIN_SECONDS = 240


class Crowd:
    """All of them in one loop over epoll: an object and a task for each would take the processor
    from those who are measured."""

    def __init__(self, settings):
        self.port, self.wanted = settings["port"], settings["connections"]
        self.is_tls = settings["tls"]
        self.open = {}  # descriptor: (socket, kind)
        self.opened = self.dropped = self.failed = 0
        self.is_leaving = True
        self.poll = select.epoll()
        self.kinds = itertools.cycle(KINDS)
        # Many addresses, so that the ports of one do not run out.
        self.addresses = itertools.cycle(f"127.1.{a}.{b}" for a in range(4) for b in range(1, 251))
        self.turn, self.trickle_at = 0, 0.0

    def connect(self):
        kind, one = next(self.kinds), socket.socket()
        one.settimeout(5)
        try:
            one.bind((next(self.addresses), 0))
            one.connect(("127.0.0.1", self.port))
            if KINDS[kind] is not None:
                one.sendall(HELLO if self.is_tls else KINDS[kind])
        except OSError:
            self.failed += 1
            one.close()
            return
        one.setblocking(False)
        self.poll.register(one, select.EPOLLIN | select.EPOLLRDHUP)
        self.open[one.fileno()] = (one, kind)
        self.opened += 1

    def leave(self, descriptor):
        one, _ = self.open.pop(descriptor)
        one.close()

    def look(self, descriptor):
        """Something came, or the server closed."""
        try:
            is_there = bool(self.open[descriptor][0].recv(4096))
        except BlockingIOError:
            return
        except OSError:
            is_there = False
        if not is_there:
            self.leave(descriptor)
            self.dropped += 1

    def trickle(self, now):
        """A byte from one in so many, so that each sends one every few seconds."""
        if now < self.trickle_at:
            return
        self.trickle_at = now + BYTE_EVERY_SECONDS / SLICES
        self.turn = (self.turn + 1) % SLICES
        for descriptor, (one, kind) in self.open.items():
            if descriptor % SLICES == self.turn and KINDS[kind] is not None:
                try:
                    one.send(b"x")
                except OSError:
                    pass  # the server closed; that is seen when it is looked at

    def step(self, input_descriptor):
        """Looks after everybody once; true if a word can be read."""
        has_word = False
        for descriptor, _ in self.poll.poll(0.02):
            if descriptor == input_descriptor:
                has_word = True
            elif descriptor in self.open:
                self.look(descriptor)
        if not self.is_leaving:
            # Whoever is closed comes back.
            for _ in range(min(OPENED_AT_ONCE, self.wanted - len(self.open))):
                self.connect()
        self.trickle(time.monotonic())
        return has_word

    def count(self):
        kinds = {kind: sum(1 for _, one in self.open.values() if one == kind) for kind in KINDS}
        return {"open": len(self.open), "opened": self.opened, "dropped": self.dropped,
                "failed": self.failed, "kinds": kinds}

    def up(self, input_descriptor):
        self.is_leaving = False
        end = time.monotonic() + UP_WITHIN_SECONDS
        while len(self.open) < self.wanted * 0.99:
            if time.monotonic() > end:
                return {"error": f"only {len(self.open)} of {self.wanted} connections came about"}
            self.step(input_descriptor)
        return self.count()

    def down(self):
        self.is_leaving = True
        for descriptor in list(self.open):
            self.leave(descriptor)
        return self.count()


def main(settings):
    crowd = Crowd(settings)
    words = sys.stdin.fileno()
    crowd.poll.register(words, select.EPOLLIN)
    pending = b""
    while True:
        if not crowd.step(words):
            continue
        read = os.read(words, 4096)
        if not read:
            return
        *lines, pending = (pending + read).split(b"\n")
        for line in lines:
            word = line.decode().strip()
            if word == "up":
                answer = crowd.up(words)
            elif word == "down":
                answer = crowd.down()
            else:
                answer = crowd.count()
            print(json.dumps(answer), flush=True)


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
    main(given)
