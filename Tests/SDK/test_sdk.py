"""The life of a slot, told with the vendor's unmodified Python SDK."""

import base64
import concurrent.futures
import json
import signal
import time

import pytest

from holdfast import Server, apply, create_session, request


def held(common, user):
    return common("DescribeUserConcurrency", UserId=user)


def test_who_returns_in_time_gets_the_same_slot_and_later_a_new_one(server, car, common):
    assert apply(car, "u1").RequestId
    session = create_session(car, "u1")
    assert session.ServerSession and session.RequestId
    slot = held(common, "u1")["ConcurrencyId"]
    assert slot == "cap-1/1"

    # The client vanishes. While the window is open nobody else gets the slot.
    report = common("ReportDisconnection", UserId="u1", SessionId=held(common, "u1")["SessionId"])
    assert report["Outcome"] == "waiting" and report["Deadline"].endswith("Z")
    apply(car, "u2")
    assert held(common, "u2")["ConcurrencyId"] == "cap-1/2"
    with pytest.raises(Exception) as refusal:
        apply(car, "u3")
    assert refusal.value.code == "ResourceNotFound.NoIdle"

    # Back in time: apply and create, or create alone.
    apply(car, "u1")
    create_session(car, "u1")
    assert held(common, "u1")["ConcurrencyId"] == slot
    common("ReportDisconnection", UserId="u1")
    create_session(car, "u1")
    now = held(common, "u1")
    assert (now["ConcurrencyId"], now["State"]) == (slot, "connected")

    # Vanished again, and back after the window: somebody else may have the slot by now.
    common("ReportDisconnection", UserId="u1")
    time.sleep(2.2)
    assert held(common, "u1")["State"] == "none"
    apply(car, "u3")
    assert held(common, "u3")["ConcurrencyId"] == slot
    with pytest.raises(Exception) as refusal:
        create_session(car, "u1")
    assert refusal.value.code == "FailedOperation.LockTimeout"
    car.DestroySession(request("DestroySession", UserId="u2"))
    apply(car, "u1")
    assert held(common, "u1")["ConcurrencyId"] == "cap-1/2"

    events = common("DescribeReconnectionHistory", UserId="u1")["Events"]
    outcomes = [event["outcome"] for event in reversed(events)]
    assert outcomes == [
        "done", "granted", "fresh", "waiting", "returned", "resumed", "waiting", "resumed",
        "waiting", "windowExpired", "lockTimeout", "granted"]


def test_counts_are_those_of_the_generated_client(car, common):
    apply(car, "u1")
    one = car.DescribeConcurrentCount(request("DescribeConcurrentCount", ProjectId="cap-1"))
    assert (one.Total, one.Running) == (2, 1)
    common("ModifyProject", ProjectId="cap-2", Concurrencies=5)
    every = car.DescribeConcurrentCount(request("DescribeConcurrentCount"))
    assert (every.Total, every.Running) == (7, 1)


def test_the_session_token_names_who_holds_what(car, common):
    apply(car, "u1")
    token = create_session(car, "u1").ServerSession
    payload = token.split(".")[0]
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    slot = held(common, "u1")
    assert said["user"] == "u1" and said["project"] == "cap-1" and said["concurrency"] == 1
    assert str(said["session"]) == slot["SessionId"]


def test_destroying_twice_is_safe(car, common):
    apply(car, "u1")
    for _ in range(2):
        assert car.DestroySession(request("DestroySession", UserId="u1")).RequestId
    assert held(common, "u1")["State"] == "none"


def test_a_report_about_an_old_session_changes_nothing(car, common):
    apply(car, "u1")
    create_session(car, "u1")
    old = held(common, "u1")["SessionId"]
    create_session(car, "u1")
    assert common("ReportDisconnection", UserId="u1", SessionId=old)["Outcome"] == "stale"
    assert held(common, "u1")["State"] == "connected"


def test_an_application_that_runs_without_client_is_kept(car, common):
    apply(car, "u1")
    create_session(car, "u1", ClientSession=None, RunMode="RunWithoutClient")
    report = common("ReportDisconnection", UserId="u1")
    assert report["Outcome"] == "keptRunning" and report["Deadline"] is None


def test_every_action_of_holdfast_answers_the_generic_client(car, common):
    made = common("ModifyProject", ProjectId="cap-9", Concurrencies=1, ReconnectTimeout=3,
                  LockTimeout=4, CleanupTime=1)
    assert (made["Concurrencies"], made["ReconnectTimeout"]) == (1, 3)
    assert (made["LockTimeout"], made["CleanupTime"]) == (4, 1)
    apply(car, "u1", "cap-9")
    create_session(car, "u1")
    assert common("ReportDisconnection", UserId="u1")["Outcome"] == "waiting"
    slot = held(common, "u1")
    assert slot["State"] == "waiting" and slot["ProjectId"] == "cap-9"
    assert common("RepossessConcurrency", UserId="u1")["Outcome"] == "operator"
    assert common("RepossessConcurrency", UserId="u1")["Outcome"] == "nothingHeld"
    first = common("DescribeReconnectionHistory", UserId="u1", Limit=2)
    assert [event["kind"] for event in first["Events"]] == ["repossessed", "repossessed"]
    rest = common("DescribeReconnectionHistory", UserId="u1", Before=first["NextBefore"])
    assert [event["kind"] for event in rest["Events"]] == [
        "disconnected", "sessionCreated", "applied", "userNamed"]
    assert rest["NextBefore"] is None


def test_many_users_at_once_get_different_slots(server, common):
    common("ModifyProject", ProjectId="cap-1", Concurrencies=20)

    def start(index):
        client = server.car()
        apply(client, f"u{index}")
        create_session(client, f"u{index}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(20)))
    slots = {held(common, f"u{index}")["ConcurrencyId"] for index in range(20)}
    assert slots == {f"cap-1/{number}" for number in range(1, 21)}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_costs_nobody_a_slot(tmp_path, how):
    server = Server(tmp_path / "ledger")
    server.make_project("cap-1", 3, window="4s")
    server.start()
    try:
        for user in ("gone", "there"):
            apply(server.car(), user)
            create_session(server.car(), user)
        common = server.common()
        waiting = common.call_json("ReportDisconnection", {"UserId": "gone"})["Response"]
        time.sleep(1.2)
        server.stop(how)
        # Down for longer than the window: the time does not count.
        time.sleep(4.5)
        server.start()
        common = server.common()

        def slot(user):
            return common.call_json("DescribeUserConcurrency", {"UserId": user})["Response"]

        assert slot("gone")["State"] == "waiting"
        assert slot("gone")["Deadline"] > waiting["Deadline"]
        assert slot("there")["State"] == "connected"
        create_session(server.car(), "gone")
        assert slot("gone")["ConcurrencyId"] == "cap-1/1"
        assert slot("there")["ConcurrencyId"] == "cap-1/2"
    finally:
        server.stop()
