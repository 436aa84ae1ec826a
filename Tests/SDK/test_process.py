"""The server as a process: how it ends, and what it leaves where."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from holdfast import Server, apply, binary, create_session


@contextlib.contextmanager
def connected(server, sent=b""):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(sent)
        yield connection


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_whatever_its_clients_do(server, car, how):
    apply(car, "u1")  # leaves a connection open for the next request
    half_head = b"POST / HTTP/1.1\r\nHost: h\r\n"
    half_body = half_head + b"Content-Length: 100\r\n\r\n{"
    with connected(server), connected(server, half_head), connected(server, half_body):
        time.sleep(0.3)  # all three are accepted
        took = server.stop(how)
    print(f"ended after {took:.2f} s")
    assert took < 10
    assert server.process.returncode == 0


def test_idle_connections_cost_no_time(server, car):
    apply(car, "u1")
    with connected(server):
        assert server.stop() < 2
    assert server.process.returncode == 0


def test_requests_in_flight_are_answered(server):
    """Each caller that was let in gets its answer; what was answered is in the ledger."""
    server.common().call_json("ModifyProject", {"ProjectId": "cap-1", "Concurrencies": 500})
    answered = []

    def call(first):
        client = server.car()
        for index in range(first, first + 100):
            try:
                apply(client, f"u{index}")
            except Exception:
                return
            answered.append(f"u{index}")

    callers = [threading.Thread(target=call, args=(first * 100,)) for first in range(4)]
    for caller in callers:
        caller.start()
    while len(answered) < 20:
        pass
    server.stop()
    for caller in callers:
        caller.join()
    server.start()
    common = server.common()
    for user in answered:
        slot = common.call_json("DescribeUserConcurrency", {"UserId": user})["Response"]
        assert slot["ConcurrencyId"], user


def test_the_address_in_use_is_one_line(server, tmp_path):
    done = subprocess.run(
        [binary(), "serve", "--data", str(tmp_path / "other"), "--listen",
         f"127.0.0.1:{server.port}"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "in use" in line]
    assert len(lines) == 1 and str(server.port) in lines[0]


def test_secrets_are_for_their_owner_alone(server, car):
    apply(car, "u1")
    create_session(car, "u1")
    server.stop()
    for name in ("credentials.json", "server-session.key"):
        mode = os.stat(os.path.join(server.directory, name)).st_mode
        assert stat.S_IMODE(mode) == 0o600, name
    text = "".join(server.errors)
    assert server.secret_key not in text and "Signature=" not in text


def test_a_damaged_credential_file_keeps_it_from_starting(tmp_path):
    server = Server(tmp_path / "ledger")
    server.make_project("cap-1", 1)
    with open(os.path.join(server.directory, "credentials.json"), "w") as file:
        file.write('{"version":1,')
    done = subprocess.run(
        [binary(), "serve", "--data", server.directory, "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1 and "damaged" in done.stderr


def test_unsigned_requests_are_for_loopback_alone(tmp_path):
    done = subprocess.run(
        [binary(), "serve", "--data", str(tmp_path / "ledger"), "--listen", "0.0.0.0:0",
         "--anonymous"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1 and "loopback" in done.stderr
