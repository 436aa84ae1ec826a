import pytest

from holdfast import Server


@pytest.fixture
def server(tmp_path):
    """A running server with project cap-1: two concurrencies, a window of two seconds."""
    running = Server(tmp_path / "ledger")
    running.make_project("cap-1", 2)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def car(server):
    return server.car()


@pytest.fixture
def common(server):
    """Calls any action by name: common("ReportDisconnection", UserId="u") -> its fields."""
    client = server.common()
    return lambda action, **fields: client.call_json(action, fields)["Response"]
