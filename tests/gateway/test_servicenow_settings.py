"""The SERVICENOW_* settings: what is missing or wrong is one line, and no secret is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.gateway.servicenow import ServiceNowGateway
from pytest_2501bench.gateway.servicenow.instance import Instance
from pytest_2501bench.options import resolve

BASIC = {
    "SERVICENOW_URL": "https://dev1.service-now.com/",
    "SERVICENOW_USER": "bench",
    "SERVICENOW_PASSWORD": "canary-password",
}
OAUTH = {
    "SERVICENOW_URL": "https://dev1.service-now.com",
    "SERVICENOW_CLIENT_ID": "client",
    "SERVICENOW_CLIENT_SECRET": "canary-secret",
}


def refused(variables: dict[str, str]) -> str:
    with pytest.raises(BenchError) as error:
        Instance.of(variables)
    assert error.value.cause is Cause.GATEWAY_UNAVAILABLE
    text = str(error.value)
    assert "canary" not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("variables", [BASIC, OAUTH])
def test_an_instance_with_either_login_is_taken_and_shows_no_secret(variables: dict[str, str]) -> None:
    instance = Instance.of(variables)
    assert (instance.url, instance.table, instance.close) == ("https://dev1.service-now.com", "incident", True)
    assert "canary" not in repr(instance)
    assert Instance(**instance.private()) == instance


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "SERVICENOW_URL, SERVICENOW_USER, SERVICENOW_PASSWORD: not set."),
        (
            {"SERVICENOW_URL": "https://x", "SERVICENOW_CLIENT_ID": "c"},
            "SERVICENOW_CLIENT_SECRET: not set.",
        ),
        (
            {k: v for k, v in BASIC.items() if k != "SERVICENOW_PASSWORD"} | {"SERVICENOW_PASWORD": "canary"},
            "There is SERVICENOW_PASWORD; did you mean SERVICENOW_PASSWORD?",
        ),
        (BASIC | {"SERVICENOW_URL": "dev1"}, "SERVICENOW_URL=dev1: is not an instance's address."),
        (BASIC | {"SERVICENOW_URL": "https://u:canary@h"}, "is not an instance's address."),
        (BASIC | {"SERVICENOW_URL": "http://dev1.example"}, "must begin with https://"),
        (BASIC | {"SERVICENOW_PASSWORD": "canary\nx"}, "SERVICENOW_PASSWORD: has control characters."),
        (BASIC | {"SERVICENOW_TABLE": "incidents"}, "Did you mean incident?"),
        (BASIC | {"SERVICENOW_GROUP": "a^b"}, "SERVICENOW_GROUP=a^b: cannot have a ^."),
        (BASIC | {"SERVICENOW_CLOSE": "maybe"}, "SERVICENOW_CLOSE=maybe: must be yes or no."),
    ],
)
def test_what_is_missing_or_wrong_is_named(variables: dict[str, str], said: str) -> None:
    assert said in refused(variables)


def test_settings_come_from_environment_and_env_file_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "bench.env").write_text("SERVICENOW_USER=filed\nSERVICENOW_PASSWORD=canary-filed\n")
    environ = {"SERVICENOW_URL": "https://dev1.service-now.com", "SERVICENOW_USER": "environ"}
    settings = resolve({}, {}, environ, tmp_path, "bench.env")
    instance = Instance.of(settings.servicenow)
    assert (instance.user, instance.password) == ("environ", "canary-filed")
    assert "canary" not in f"{settings!r}{settings.public()}{settings.rows()}"


def test_models_cannot_be_chosen_for_an_engine_that_cannot_be_told(tmp_path: Path) -> None:
    environ = BASIC | {"ENGINE_URL": "none", "BENCH_MAIN_ENGINE": "m"}
    with pytest.raises(BenchError, match="--main-engine: cannot be told to an engine without an API"):
        ServiceNowGateway.of(resolve({}, {}, environ, tmp_path, None), local=False)
