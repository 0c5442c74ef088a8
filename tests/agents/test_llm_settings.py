"""Names of models, limits and prices: what is taken, and the one line that says what is wrong."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_2501bench.agents.llm.agent import LlmAgent
from pytest_2501bench.agents.llm.endpoint import check_models, endpoint_of
from pytest_2501bench.agents.llm.limits import Limits, Meter, prices_of
from pytest_2501bench.agents.llm.talk import Stopped, ToolCall, Usage
from pytest_2501bench.agents.llm.tools import MistakeError, request_of
from pytest_2501bench.errors import BenchError, Cause


@pytest.mark.parametrize(
    ("name", "environ", "wire", "url", "key"),
    [
        ("openai/gpt", {"OPENAI_API_KEY": "k"}, "openai", "https://api.openai.com/v1", "k"),
        ("anthropic/c", {"ANTHROPIC_API_KEY": " k\n"}, "anthropic", "https://api.anthropic.com", "k"),
        ("openai/x", {"OPENAI_BASE_URL": "http://h:1/v1/"}, "openai", "http://h:1/v1", None),
        ("my-lab/org/m:7b", {"MY_LAB_BASE_URL": "http://h", "MY_LAB_API_KEY": "k"}, "openai", "http://h", "k"),
        ("lab/m", {"LAB_BASE_URL": "anthropic+https://h/a"}, "anthropic", "https://h/a", None),
    ],
)
def test_a_model_is_where_its_provider_is(
    name: str, environ: Mapping[str, str], wire: str, url: str, key: str | None
) -> None:
    endpoint = endpoint_of(name, environ)
    assert (endpoint.wire, endpoint.url, endpoint.key) == (wire, url, key)
    assert endpoint.model == name.partition("/")[2]
    assert "k" not in repr(endpoint).split("key_name")[1].split("'")[2]


@pytest.mark.parametrize(
    ("name", "environ", "why"),
    [
        ("gpt", {}, "--main-engine gpt: is no PROVIDER/MODEL, as in anthropic/NAME, openai/NAME or local/NAME."),
        ("openai/", {}, "--main-engine openai/: is no PROVIDER/MODEL"),
        ("openai/x", {}, "--main-engine openai/x: OPENAI_API_KEY is not set in the environment. Set it to your key."),
        ("anthropic/x", {"ANTHROPIC_API_KEY": " "}, "ANTHROPIC_API_KEY is not set"),
        ("lab-2/x", {}, "where is lab-2? LAB_2_BASE_URL is not set in the environment."),
        ("lab/x", {"LAB_BASE_URL": "h:80/v1"}, "LAB_BASE_URL h:80/v1: is no http(s) address."),
        ("lab/x", {"LAB_BASE_URL": "u:longpassword@h"}, "is no http(s) address."),
    ],
)
def test_a_model_that_cannot_be_found_is_one_line(name: str, environ: Mapping[str, str], why: str) -> None:
    with pytest.raises(BenchError) as error:
        endpoint_of(name, environ)
    assert error.value.cause is Cause.OPTION_INVALID
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_before_anything_runs_models_libraries_and_prices_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"LAB_BASE_URL": "http://h", "BENCH_MODEL_PRICES": "lab/a=1:2"}

    def problem(*main: str, limits: Limits | None = None, secondary: tuple[str, ...] = ()) -> str:
        with pytest.raises(BenchError) as error:
            check_models(main, secondary, limits or Limits(), environ, option="--agent")
        return str(error.value)

    assert problem() == "--agent llm: needs --main-engine PROVIDER/MODEL."
    assert "--main-engine b:" in problem("lab/a", "b")
    assert "--secondary-engine b:" in problem("lab/a", secondary=("b",))
    cost = Limits(cost=1.5)
    check_models(["lab/a"], (), cost, environ, option="--agent")
    assert problem("lab/b", limits=cost) == (
        "--agent-limit cost=1.5: nobody knows what lab/b costs. "
        "Set BENCH_MODEL_PRICES=lab/b=IN:OUT (USD per million tokens)."
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert problem("lab/a") == (
        "--agent llm: the package 'openai' is not installed. Run: pip install 'pytest-2501bench[llm]'."
    )


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("turns=5", Limits(turns=5)),
        (" tokens=1000 , cost=0.5,", Limits(tokens=1000, cost=0.5)),
        ("time=1.5,turns=1e2", Limits(turns=100, time=1.5)),
    ],
)
def test_limits_are_read(text: str, limits: Limits) -> None:
    assert Limits.parse(text) == limits
    assert isinstance(Limits.parse(text).turns, int)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must be like turns=50"),
        ("turn=5", "has no limit 'turn'; there are turns, tokens, cost, time"),
        ("turns", "turns must be a number above 0"),
        ("turns=0", "turns must be a number above 0"),
        ("cost=nan", "cost must be a number above 0"),
        ("time=inf", "time must be a number above 0"),
        ("tokens=1.5", "tokens must be a whole number"),
    ],
)
def test_limits_that_are_none_say_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Limits.parse(text)


def test_the_agent_takes_its_limits_and_prices_from_the_environment() -> None:
    assert LlmAgent({"BENCH_AGENT_LIMIT": "turns=3"}).limits == Limits(turns=3)
    assert LlmAgent({}).limits.turns == 50
    for environ in ({"BENCH_AGENT_LIMIT": "x"}, {"BENCH_MODEL_PRICES": "a=1"}, {"BENCH_MODEL_PRICES": "a/b=1:-2"}):
        with pytest.raises(BenchError) as error:
            LlmAgent(environ)
        assert error.value.cause is Cause.OPTION_INVALID


def test_cached_tokens_and_those_written_to_the_cache_have_prices_of_their_own() -> None:
    prices = prices_of({"BENCH_MODEL_PRICES": "a/b=10:20:1, c/d=10:20"})
    usage = Usage(1_000_000, 500_000, cached_tokens=400_000, cache_written_tokens=200_000)
    assert prices["a/b"].of(usage) == pytest.approx(4 + 2.5 + 0.4 + 10)
    assert prices["c/d"].of(usage) == pytest.approx(4 + 2.5 + 4 + 10)


def test_a_sum_that_misses_a_part_is_unknown() -> None:
    meter = Meter(Limits(), {})
    meter.add("a/b", Usage(1, 2, cost_usd=0.5))
    assert (meter.input_tokens, meter.output_tokens, meter.cost_usd) == (1, 2, 0.5)
    meter.add("a/b", Usage(1, 2))
    assert (meter.input_tokens, meter.cost_usd) == (2, None)
    meter.add("a/b", None)
    assert (meter.input_tokens, meter.output_tokens) == (None, None)
    meter.check()
    limited = Meter(Limits(turns=1), {})
    limited.turns = 1
    with pytest.raises(Stopped):
        limited.check()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["host", "command", "path", "report"]), inner),
    max_leaves=5,
)


@given(name=st.sampled_from(["run_command", "read_file", "write_file", "finish", "", "x"]), words=st.text() | JSON)
def test_whatever_a_model_writes_is_a_request_or_a_mistake(name: str, words: object) -> None:
    call = ToolCall("1", name, words if isinstance(words, str) else json.dumps(words))
    assert isinstance(call.as_object(), dict)
    with contextlib.suppress(MistakeError):
        assert request_of(call, ["web-01"]) is not None
