"""The vendor's SDK over https, and a certificate that is renewed under a running server."""

import json
import os
import signal
import ssl
import socket
import subprocess
import time

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from holdfast import Server, apply, binary, command, create_session, request


def make_certificate(folder, name):
    """A certificate for 127.0.0.1 that vouches for itself; returns its path and its key's."""
    certificate, key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30", "-keyout", key,
         "-out", certificate], check=True, capture_output=True)
    os.chmod(key, 0o600)
    return certificate, key


@pytest.fixture
def secure(tmp_path):
    certificate, key = make_certificate(tmp_path, "server")
    server = Server(
        tmp_path / "ledger", ["--tls-certificate", certificate, "--tls-key", key])
    server.make_project("cap-1", 2)
    server.certificate = certificate
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("method,http,unsigned", [
    ("TC3-HMAC-SHA256", "POST", False), ("TC3-HMAC-SHA256", "POST", True),
    ("TC3-HMAC-SHA256", "GET", False), ("HmacSHA256", "POST", False)])
def test_the_sdk_calls_over_https(secure, method, http, unsigned):
    profile = secure.profile(method, http, unsigned)
    car = secure.car(profile)
    assert apply(car, "u1").RequestId
    assert create_session(car, "u1").ServerSession
    assert car.DestroySession(request("DestroySession", UserId="u1")).RequestId


def test_a_certificate_that_is_not_trusted_stops_the_client(secure, tmp_path):
    secure.certificate, _ = make_certificate(tmp_path, "other")
    with pytest.raises(TencentCloudSDKException) as refusal:
        apply(secure.car(), "u1")
    assert refusal.value.code == "ClientNetworkError"


def subject(port):
    """Who the server says it is."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain) as secure:
            der = secure.getpeercert(binary_form=True)
    text = subprocess.run(
        ["openssl", "x509", "-inform", "der", "-noout", "-subject"], input=der,
        capture_output=True, check=True).stdout.decode()
    return text.strip()


def test_sighup_and_a_changed_file_take_a_new_certificate(secure, tmp_path):
    assert "server" in subject(secure.port)
    for name, how in (("second", signal.SIGHUP), ("third", None)):
        certificate, key = make_certificate(tmp_path, name)
        os.replace(key, tmp_path / "server.key")
        os.replace(certificate, tmp_path / "server.pem")
        if how:
            secure.process.send_signal(how)
        end = time.monotonic() + 10
        while name not in subject(secure.port) and time.monotonic() < end:
            time.sleep(0.05)
        assert name in subject(secure.port)
        assert apply(secure.car(), "u1").RequestId
    assert secure.stop() < 10
    assert secure.process.returncode == 0


def test_sighup_ends_no_server(server, car):
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert apply(car, "u1").RequestId


@pytest.mark.parametrize("arguments,says", [
    (["--listen", "0.0.0.0:0"], "--plain-http"),
    (["--tls-certificate", "/nowhere.pem", "--tls-key", "/nowhere.key"], "there is no file")])
def test_what_is_not_safe_does_not_start_and_leaves_nothing(tmp_path, arguments, says):
    done = subprocess.run(
        [binary(), "serve", "--data", str(tmp_path / "ledger"), *arguments],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and says in done.stderr
    assert not (tmp_path / "ledger").exists()


# Credentials

def test_roles_reach_the_sdk_as_its_error(server):
    made = json.loads(command(
        "credential", "create", "--role", "call", "--project", "cap-1", "--json",
        "--data", server.directory))
    assert (made["roles"], made["projects"]) == (["call"], ["cap-1"])
    identity = server.credential(made["secretId"], made["secretKey"])
    assert apply(server.car(identity=identity), "u1").RequestId
    with pytest.raises(TencentCloudSDKException) as refusal:
        server.common(identity=identity).call_json("RepossessConcurrency", {"UserId": "u1"})
    assert refusal.value.code == "AuthFailure.UnauthorizedOperation"


def test_rotated_and_revoked_without_a_restart(server, car):
    assert apply(car, "u1").RequestId
    made = json.loads(command(
        "credential", "rotate", "1", "--overlap", "1h", "--json", "--data", server.directory))
    identity = server.credential(made["secretId"], made["secretKey"])
    assert apply(server.car(identity=identity), "u1").RequestId
    assert apply(car, "u1").RequestId
    command("credential", "revoke", "1", "--data", server.directory)
    time.sleep(2.2)
    for client in (server.car(), server.car(identity=identity)):
        with pytest.raises(TencentCloudSDKException) as refusal:
            apply(client, "u1")
        assert refusal.value.code == "AuthFailure.SecretIdNotFound"


def test_the_vendors_rates_are_refused_with_its_code(tmp_path):
    server = Server(tmp_path / "ledger", ["--rate-limits", "vendor"])
    server.make_project("cap-1", 1)
    server.start()
    try:
        car = server.car()
        with pytest.raises(TencentCloudSDKException) as refusal:
            for _ in range(400):
                car.DescribeConcurrentCount(request("DescribeConcurrentCount"))
        assert refusal.value.code == "RequestLimitExceeded"
        assert apply(car, "u1").RequestId
    finally:
        server.stop()
