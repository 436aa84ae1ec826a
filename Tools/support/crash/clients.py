"""Clients of a server that is about to be killed: what they were answered is kept."""

import http.client
import json
import random
import socket
import threading

PROJECTS = ("p0", "p1")


class Clients:
    """Threads that ask until their connection breaks."""

    def __init__(self, port, seed, settings):
        self.port, self.answers, self.lock = port, [], threading.Lock()
        self.threads = [
            threading.Thread(target=self._bulk, args=(random.Random(seed + number), number))
            for number in range(settings["bulk"])]
        self.threads += [
            threading.Thread(target=self._calls, args=(random.Random(seed + 50 + number), number))
            for number in range(settings["calls"])]
        self.forgets = settings["forgets"]
        self.sockets = []

    def start(self):
        for name in PROJECTS:
            self._call(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10),
                       "ModifyProject", {"ProjectId": name, "Concurrencies": 8,
                                         "ReconnectTimeout": 1, "LockTimeout": 1})
        for thread in self.threads:
            thread.start()

    def end(self):
        """After the kill: everything that had been answered is read."""
        for thread in self.threads:
            thread.join(20)
            if thread.is_alive():
                raise RuntimeError("a client hangs")
        return self.answers

    def _keep(self, answer):
        with self.lock:
            self.answers.append(answer)

    # Actions as lines, many under way at once.

    def _bulk(self, dice, number):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=15) as connection:
                connection.sendall(
                    b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                    b"Content-Type: application/x-ndjson\r\n\r\n")
                reader = connection.makefile("rb")
                while reader.readline().strip():
                    pass
                line = 0
                while True:
                    asked = [self._action(dice, number) for _ in range(dice.choice((1, 8, 40)))]
                    body = "".join(json.dumps(one) + "\n" for one in asked).encode()
                    connection.sendall(b"%x\r\n%s\r\n" % (len(body), body))
                    for one in asked:
                        answer = self._line(reader)
                        line += 1
                        if answer is None:
                            return
                        if answer.get("line") != line or "position" not in answer:
                            # A last line that says why the server stops is no answer.
                            return
                        self._keep({**answer, "user": one["user"], "kind": KINDS[one["action"]]})
        except OSError:
            return

    @staticmethod
    def _line(reader):
        """The next line of a chunked body; None when the connection broke. Lines are whole in it,
        or were not answered."""
        while True:
            line = reader.readline()
            if not line.endswith(b"\n"):
                return None
            if line.startswith(b"{"):
                return json.loads(line)
            if line.strip() == b"0":
                return None

    @staticmethod
    def _action(dice, number):
        user = f"b{number}-{dice.randrange(9)}"
        name = dice.choice(("apply", "apply", "createSession", "createSession", "disconnect",
                            "destroy", "repossess"))
        action = {"action": name, "user": user}
        if name == "apply":
            action["project"] = dice.choice(PROJECTS)
        return action

    # The cloud API, a call at a time.

    def _calls(self, dice, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            while True:
                user = f"c{number}-{dice.randrange(9)}"
                name = dice.choice(tuple(CALLS))
                if name == "ForgetUser" and (not self.forgets or dice.random() < 0.5):
                    continue
                fields = {"UserId": user}
                if name in ("ApplyConcurrent", "CreateSession"):
                    fields["UserIp"] = "203.0.113.9"
                if name == "ApplyConcurrent":
                    fields["ProjectId"] = dice.choice(PROJECTS)
                if name == "CreateSession":
                    fields["ClientSession"] = "e30="
                answer = self._call(connection, name, fields)
                if "Position" not in answer:
                    continue  # a refusal of the rules names no position
                self._keep({
                    "position": answer["Position"], "outcome": answer["Outcome"],
                    "concurrency": answer["ConcurrencyId"], "session": answer["SessionId"],
                    "user": None if name == "ForgetUser" else user, "kind": CALLS[name]})
        except (OSError, http.client.HTTPException, ValueError):
            return
        finally:
            connection.close()

    @staticmethod
    def _call(connection, action, fields):
        connection.request("POST", "/", json.dumps(fields), {
            "Content-Type": "application/json", "X-TC-Action": action,
            "X-TC-Version": "2022-01-10"})
        return json.loads(connection.getresponse().read())["Response"]


KINDS = {
    "apply": "applied", "createSession": "sessionCreated", "disconnect": "disconnected",
    "destroy": "destroyed", "repossess": "repossessed",
}
CALLS = {
    "ApplyConcurrent": "applied", "CreateSession": "sessionCreated",
    "ReportDisconnection": "disconnected", "DestroySession": "destroyed",
    "RepossessConcurrency": "repossessed", "ForgetUser": "userForgotten",
}
