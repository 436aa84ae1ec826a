#!/usr/bin/env python3
"""One reconnection, played on a running server through its real wire, every sentence checked.

    HOLDFAST_SECRET_ID=… HOLDFAST_SECRET_KEY=… quickstart-scene.py HOST:PORT

Needs nothing but Python. Ends with 1 at the first sentence that does not come out.
"""

import hashlib
import hmac
import http.client
import json
import os
import sys
import time

PROJECT = "quickstart"
WINDOW_SECONDS = 3


class Unexpected(Exception):
    pass


class Cloud:
    """Calls the cloud API with requests signed by TC3-HMAC-SHA256, as the vendor's SDKs do."""

    def __init__(self, endpoint, secret_id, secret_key):
        self.endpoint = endpoint
        self.secret_id = secret_id
        self.secret_key = secret_key
        self.connection = http.client.HTTPConnection(endpoint, timeout=10)

    def call(self, action, **parameters):
        """The fields of the response; an error's code stands under `Error`."""
        body = json.dumps(parameters)
        self.connection.request("POST", "/", body, self.headers(action, body, int(time.time())))
        reply = self.connection.getresponse()
        fields = json.loads(reply.read())["Response"]
        code = fields.get("Error", {}).get("Code")
        return {**fields, "Error": code}

    def headers(self, action, body, now):
        date = time.strftime("%Y-%m-%d", time.gmtime(now))
        scope = f"{date}/car/tc3_request"
        canonical = "\n".join([
            "POST", "/", "", "content-type:application/json", f"host:{self.endpoint}", "",
            "content-type;host", sha256(body)])
        text = "\n".join(["TC3-HMAC-SHA256", str(now), scope, sha256(canonical)])
        key = ("TC3" + self.secret_key).encode()
        for word in (date, "car", "tc3_request"):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json", "Host": self.endpoint,
            "X-TC-Action": action, "X-TC-Version": "2022-01-10", "X-TC-Timestamp": str(now),
            "Authorization": f"TC3-HMAC-SHA256 Credential={self.secret_id}/{scope}, "
                             f"SignedHeaders=content-type;host, Signature={signature}"}


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Scene:
    def __init__(self, cloud):
        self.cloud = cloud

    def act(self, action, expected, **parameters):
        """Calls, shows what was answered in one line, and insists on the outcome."""
        fields = self.cloud.call(action, **parameters)
        answer = fields["Error"] or fields.get("Outcome", "ok")
        slot = fields.get("ConcurrencyId")
        print(f"  {action:<20}{parameters['UserId']:<4}-> {answer}" + (f", {slot}" if slot else ""))
        require(answer == expected, f"{action} was answered {answer}, expected {expected}")
        return fields

    def apply(self, user, expected):
        """The concurrency the user was given, None if it was refused."""
        return self.act(
            "ApplyConcurrent", expected, UserId=user, UserIp="203.0.113.7", ProjectId=PROJECT,
        ).get("ConcurrencyId")

    def connect(self, user, expected):
        """The session's id."""
        return self.act(
            "CreateSession", expected, UserId=user, UserIp="203.0.113.7", ClientSession="e30=",
        )["SessionId"]

    def vanish(self, user, session):
        self.act("ReportDisconnection", "waiting", UserId=user, SessionId=session)

    def prepare(self):
        print(f"\nA project of two concurrencies. Each waits {WINDOW_SECONDS} s for its user.")
        reply = self.cloud.call(
            "ModifyProject", ProjectId=PROJECT, Concurrencies=2, ReconnectTimeout=WINDOW_SECONDS)
        require(reply["Error"] is None, f"ModifyProject: {reply}")
        for user in ("u1", "u2", "u3"):  # a ledger that was kept may have them still
            if self.cloud.call("DescribeUserConcurrency", UserId=user).get("ConcurrencyId"):
                self.cloud.call("DestroySession", UserId=user)

    def play(self):
        self.prepare()
        print("\nu1 applies, gets a concurrency, and plays.")
        first = self.apply("u1", "granted")
        session = self.connect("u1", "fresh")

        print("\nThe client of u1 vanishes. Its concurrency waits.")
        vanished = time.monotonic()
        self.vanish("u1", session)

        print(f"\nu2 takes the other one. u3 finds none idle, though nobody plays on {first}:")
        print("it is held for u1.")
        second = self.apply("u2", "granted")
        self.connect("u2", "fresh")
        require(second != first, "u2 was given the concurrency that waits for u1")
        self.apply("u3", "ResourceNotFound.NoIdle")

        time.sleep(WINDOW_SECONDS / 3)
        print("\nu1 is back in time, and gets the same one.")
        again = self.apply("u1", "returned")
        session = self.connect("u1", "resumed")
        took = time.monotonic() - vanished
        require(again == first, f"u1 was given {again}, not {first}")
        print(f"  {again} again, {took:.1f} s after it vanished")

        print(f"\nu1 vanishes again, and this time the {WINDOW_SECONDS} s pass.")
        self.vanish("u1", session)
        time.sleep(WINDOW_SECONDS + 0.2)

        print(f"\n{first} was repossessed at the end of the window. u3 gets it; u2 leaves.")
        third = self.apply("u3", "granted")
        self.connect("u3", "fresh")
        require(third == first, f"u3 was given {third}, not {first}")
        self.act("DestroySession", "freed", UserId="u2")

        print("\nu1 is back too late: not the same one, which is u3's now, but a new one.")
        late = self.apply("u1", "granted")
        self.connect("u1", "fresh")
        require(late != first, f"u1 was given {late}, which u3 holds")
        print(f"  {late} instead of {first}")
        for user in ("u1", "u3"):
            self.cloud.call("DestroySession", UserId=user)


def require(condition, message):
    if not condition:
        raise Unexpected(message)


def main():
    cloud = Cloud(
        sys.argv[1], os.environ["HOLDFAST_SECRET_ID"], os.environ["HOLDFAST_SECRET_KEY"])
    try:
        Scene(cloud).play()
    except (Unexpected, OSError, http.client.HTTPException) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
