"""``--matrix``: each scenario once per value, with ids that can be typed, and with rates of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.plugin_project import Project

from pytest_2501bench.matrix import AXES, axes, run_name, run_name_of, variant_of, variants

FILE = "scenarios/nginx/001/scenario.json"
VALUE = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,8}", fullmatch=True)


@pytest.fixture
def one(project: Project) -> Project:
    project.scenario("nginx/001")
    return project


def engines(project: Project) -> dict[str, tuple[str | None, str | None]]:
    """Run → its main engine and specialty, as reported."""
    return {run_name_of(report.nodeid): (report.main_engine, report.specialty) for report in project.reports()}


def test_each_value_is_a_run_of_its_own_and_reaches_ticket_report_and_version_key(one: Project) -> None:
    outcome = one.run("--matrix", "main-engine=fake/a,b")
    outcome.counts(passed=4)
    assert engines(one) == {"run1@fake/a": ("fake/a", None), "run1@b": ("b", None)}
    assert {report.version_key["main_engine"] for report in one.reports()} == {"fake/a", "b"}
    assert f"{FILE}::run1@fake/a::compliance" in one.run("--collect-only", "-q", "--matrix", "main-engine=fake/a").out


def test_axes_make_every_combination_with_every_iteration(one: Project) -> None:
    one.run("--matrix", "main-engine=a,b", "--matrix", "specialty=x,y", "--iter", "2").counts(passed=16)
    expected = {f"run{i}@{m},{s}": (m, s) for i in (1, 2) for m in "ab" for s in "xy"}
    assert engines(one) == expected


@pytest.mark.parametrize(
    ("arguments", "others"),
    [((f"{FILE}::run1@north::compliance",), {}), (("-k", "north and compliance"), {"deselected": 3})],
    ids=["id", "-k"],
)
def test_one_check_of_one_variant_can_be_named(
    one: Project, arguments: tuple[str, ...], others: dict[str, int]
) -> None:
    one.run("--matrix", "main-engine=north,south", *arguments).counts(passed=1, **others)
    assert engines(one) == {"run1@north": ("north", None)}


def test_rates_are_those_of_each_variant_too(one: Project) -> None:
    out = one.run("--matrix", "main-engine=a,b").out
    for name in "ab":
        section = out.split(f"\n@{name}\n")[1]
        assert section.startswith("pass rate        100 %  1 passed of 1 scored; 0 lost to infrastructure\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--matrix", "main_engine=a"], "there is no axis 'main_engine'. Did you mean 'main-engine'?"),
        (["--matrix", "color=a"], "there is no axis 'color'. There are main-engine, secondary-engine, specialty."),
        (["--matrix", "specialty"], "must be specialty=VALUE,VALUE."),
        (["--matrix", "specialty=a,a"], "names a value of specialty twice."),
        (["--matrix", "specialty=a", "--matrix", "specialty=b"], "names specialty twice."),
        (["--matrix", "specialty=a::b"], "'a::b' cannot be part of an id"),
        (["--matrix", "specialty=a", "--specialty", "b"], "specialty is b already (from --specialty)"),
    ],
)
def test_a_wrong_matrix_is_one_line(one: Project, arguments: list[str], said: str) -> None:
    error = one.run(*arguments).usage_error()
    assert said in error
    assert "\n" not in error.strip()


@given(st.dictionaries(st.sampled_from(AXES), st.lists(VALUE, min_size=1, max_size=3, unique=True), min_size=1))
def test_variants_are_the_product_and_their_names_come_back_from_ids(points: dict[str, list[str]]) -> None:
    found = variants(axes(" ".join(f"{axis}={','.join(values)}" for axis, values in points.items())))
    size = 1
    for values in points.values():
        size *= len(values)
    assert len({variant.name for variant in found}) == len(found) == size
    for variant in found:
        nodeid = f"{FILE}::{run_name(3, variant.name)}::compliance"
        assert variant_of(nodeid) == variant.name
        for axis in AXES:
            assert (getattr(variant, axis.replace("-", "_")) is not None) == (axis in points)


def test_without_a_matrix_there_is_one_variant_without_a_name() -> None:
    (only,) = variants(())
    assert (run_name(2, only.name), variant_of(f"{FILE}::run2::compliance")) == ("run2", "")
