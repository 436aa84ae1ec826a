"""Every refusal reaches the vendor's SDK as TencentCloudSDKException with the documented code."""

import types

import pytest
from tencentcloud.common import abstract_client
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.http.request import ApiRequest

from holdfast import apply, create_session, request

SIGNATURES = [
    ("TC3-HMAC-SHA256", "POST", False), ("TC3-HMAC-SHA256", "POST", True),
    ("TC3-HMAC-SHA256", "GET", False), ("HmacSHA256", "POST", False),
    ("HmacSHA256", "GET", False), ("HmacSHA1", "POST", False), ("HmacSHA1", "GET", False),
]

# Text that every way of encoding has to carry unharmed.
USER = "u é+&=%~_-./:@名"


def refused(code, call, *arguments, **fields):
    with pytest.raises(TencentCloudSDKException) as refusal:
        call(*arguments, **fields)
    assert refusal.value.code == code, refusal.value
    assert refusal.value.requestId
    return refusal.value


# Signatures

@pytest.mark.parametrize("method,http,unsigned", SIGNATURES)
def test_every_way_to_sign_is_accepted(server, method, http, unsigned):
    profile = server.profile(method, http, unsigned)
    car, common = server.car(profile), server.common(profile)
    assert apply(car, USER).RequestId
    assert create_session(car, USER).ServerSession
    count = car.DescribeConcurrentCount(request("DescribeConcurrentCount", ProjectId="cap-1"))
    assert (count.Total, count.Running) == (2, 1)
    report = common.call_json("ReportDisconnection", {"UserId": USER})["Response"]
    assert report["Outcome"] == "waiting"
    assert car.DestroySession(request("DestroySession", UserId=USER)).RequestId
    events = common.call_json("DescribeReconnectionHistory", {"UserId": USER})["Response"]
    assert {event["user"] for event in events["Events"]} == {USER}


@pytest.mark.parametrize("method,http,unsigned", SIGNATURES)
def test_refusals_keep_their_code_however_signed(server, method, http, unsigned):
    car = server.car(server.profile(method, http, unsigned))
    refused("FailedOperation.LockTimeout", create_session, car, "nobody")
    refused("InvalidParameterValue", apply, car, "u", "no-such-project")


@pytest.mark.parametrize("method,http,unsigned", SIGNATURES)
def test_a_wrong_key_is_refused(server, method, http, unsigned):
    profile = server.profile(method, http, unsigned)
    wrong = server.credential(secret_key="x" * 32)
    refused("AuthFailure.SignatureFailure", apply, server.car(profile, wrong), "u")
    stranger = server.credential(secret_id="HFIDstranger")
    refused("AuthFailure.SecretIdNotFound", apply, server.car(profile, stranger), "u")


@pytest.mark.parametrize("seconds", [-301, 310])
@pytest.mark.parametrize("method,http,unsigned", SIGNATURES)
def test_an_old_or_early_request_is_refused(server, monkeypatch, method, http, unsigned, seconds):
    car = server.car(server.profile(method, http, unsigned))
    real = abstract_client.time
    monkeypatch.setattr(
        abstract_client, "time", types.SimpleNamespace(time=lambda: real.time() + seconds))
    refused("AuthFailure.SignatureExpire", apply, car, "u")


@pytest.mark.parametrize(
    "method,http,unsigned", [way for way in SIGNATURES if not way[2]])
def test_a_request_changed_on_the_way_is_refused(server, monkeypatch, method, http, unsigned):
    sent = ApiRequest._request

    def tamper(self, inter):
        assert "somebody" in inter.data
        inter.data = inter.data.replace("somebody", "mallory1")
        return sent(self, inter)

    car = server.car(server.profile(method, http, unsigned))
    monkeypatch.setattr(ApiRequest, "_request", tamper)
    refused("AuthFailure.SignatureFailure", apply, car, "somebody")
    monkeypatch.undo()
    nobody = server.common().call_json("DescribeUserConcurrency", {"UserId": "mallory1"})
    assert nobody["Response"]["EventCount"] == 0


def test_an_unsigned_request_is_refused(server):
    client = server.common()
    for action in ("DescribeConcurrentCount", "RepossessConcurrency"):
        refused("AuthFailure.InvalidAuthorization", client.call_json, action, {"UserId": "u"},
                options={"SkipSign": True})


def test_temporary_credentials_are_refused(server):
    identity = server.credential()
    identity.token = "temporary"
    refused("AuthFailure.TokenFailure", apply, server.car(identity=identity), "u")


# Actions

def test_each_action_refuses_with_its_documented_code(server, car, common):
    for user in ("u1", "u2"):
        apply(car, user)
    refused("ResourceNotFound.NoIdle", apply, car, "u3")
    refused("InvalidParameterValue", apply, car, "u3", "no-such-project")
    refused("InvalidParameterValue", apply, car, "x" * 257)
    refused("InvalidParameterValue", apply, car, "")
    refused("MissingParameter", car.ApplyConcurrent, request("ApplyConcurrent", UserId="u"))
    refused("FailedOperation.LockTimeout", create_session, car, "u3")
    refused("OperationDenied", create_session, car, "u1", HostUserId="u2", Role="Player")
    refused("OperationDenied", create_session, car, "u1", Role="Viewer")
    refused("InvalidParameterValue", create_session, car, "u1", RunMode="Sometimes")
    refused("MissingParameter", create_session, car, "u1", ClientSession=None)
    refused("MissingParameter", car.DestroySession, request("DestroySession"))
    refused("InvalidParameterValue", car.DescribeConcurrentCount,
            request("DescribeConcurrentCount", ProjectId="no-such-project"))


def test_actions_of_holdfast_refuse_with_their_documented_code(common):
    refused("MissingParameter", common, "ReportDisconnection")
    refused("InvalidParameterValue", common, "ReportDisconnection", UserId="u", SessionId="x")
    refused("MissingParameter", common, "RepossessConcurrency")
    refused("MissingParameter", common, "DescribeUserConcurrency")
    refused("InvalidParameterValue", common, "DescribeReconnectionHistory", UserId="u", Limit=0)
    refused("InvalidParameterValue", common, "ModifyProject", ProjectId="cap-1",
            ReconnectTimeout=0)
    refused("InvalidParameterValue", common, "ModifyProject", ProjectId="cap-1",
            ReconnectTimeout=86_401)
    refused("InvalidParameterValue", common, "ModifyProject", ProjectId="new")
    refused("UnknownParameter", common, "ModifyProject", ProjectId="cap-1", Colour="red")


def test_what_is_not_served_is_an_invalid_action(server, car, common):
    refused("InvalidAction", car.StopPublishStream, request("StopPublishStream", UserId="u"))
    refused("InvalidAction", common, "NoSuchAction")
    other = server.common()
    other._apiVersion = "2021-01-01"
    refused("NoSuchVersion", other.call_json, "DescribeConcurrentCount", {})


def test_a_body_that_is_too_long_is_refused(common):
    refused("RequestSizeLimitExceeded", common, "DestroySession", UserId="u" * 3_000_000)
    # The connection is still good, or a new one is.
    assert common("DescribeConcurrentCount")["Total"] == 2
