"""Settings are shown without the keys that people put into command lines and addresses."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pytest_2501bench.masking import shown_command, shown_text
from pytest_2501bench.options import OptionError, resolve


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("agent --api-key canary-1 --model x", "agent --api-key [hidden] --model x"),
        ("agent --api_key=canary-1", "agent --api_key=[hidden]"),
        ("agent -token canary-1", "agent -token [hidden]"),
        ("env OPENAI_API_KEY=canary-1 agent", "env OPENAI_API_KEY=[hidden] agent"),
        ("sh -c 'exec agent --password canary-1 -v'", "sh -c 'exec agent --password [hidden] -v'"),
        ("sh -c 'cd x; GH_TOKEN=canary-1 agent'", "sh -c 'cd x; GH_TOKEN=[hidden] agent'"),
        ("curl -H 'Authorization: Bearer canary-1'", "curl -H 'Authorization: Bearer [hidden]'"),
        ("curl -H 'x-api-key: canary-1'", "curl -H 'x-api-key: [hidden]'"),
        ("agent https://me:canary-1@h/p", "agent https://me:[hidden]@h/p"),
        ("agent sk-ant-canary-0123456789", "agent [hidden]"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(command: str, shown: str) -> None:
    assert list(shown_command(shlex.split(command))) == shlex.split(shown)


@pytest.mark.parametrize(
    "command",
    [
        "agent --max-tokens 4000 --token-limit 50000 --tokens=200000",
        "agent --key-file ~/.key --no-password --model sk-small",
        "ssh git@host https://user@host/x a@b.example",
        "agent --token -v",
    ],
)
def test_everything_else_is_shown(command: str) -> None:
    assert list(shown_command(shlex.split(command))) == shlex.split(command)


def test_a_long_text_is_masked_quickly() -> None:
    assert shown_text("a" * 20_000 + "-" * 20_000)


def test_settings_hide_it_in_header_store_and_repr() -> None:
    settings = resolve({"agent_command": "agent --token canary-1"}, {}, {}, Path("/root-of-a-project"), None)
    assert settings.agent_command == ("agent", "--token", "canary-1")
    shown = (settings.rows(), settings.public(), repr(settings))
    assert "canary" not in str(shown)
    assert ("agent command", "agent --token '[hidden]'", "--agent-command") in settings.rows()


@pytest.mark.parametrize(
    "given",
    [{"agent_command": "agent --token canary-1 'open"}, {"mirror": "http://me:canary-1@mirror.example/debian"}],
)
def test_a_refused_value_is_named_without_it(given: dict[str, str]) -> None:
    with pytest.raises(OptionError) as error:
        resolve(given, {}, {}, Path("/root-of-a-project"), None)
    assert "canary" not in str(error.value)
    assert "[hidden]" in str(error.value)
