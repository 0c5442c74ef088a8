"""Evidence is read back as it was written; a crash costs the last line at most, and holes are not overlooked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.records import START, job, phase, started, validated, write_run

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.log import EvidenceLog, read_evidence
from pytest_2501bench.evidence.model import FailureRecord, TicketRecord


def test_the_whole_run_comes_back(tmp_path: Path) -> None:
    evidence = read_evidence(write_run(tmp_path / "run"))
    assert evidence.run == started()
    assert [host.host_id for host in evidence.hosts] == ["hst_1"]
    assert [agent.agent_id for agent in evidence.agents] == ["agt_1"]
    assert [p.name for p in evidence.phases] == [
        Phase.PROVISION,
        Phase.PREPARE,
        Phase.FLUSH,
        Phase.EXECUTE,
        Phase.VALIDATE,
        Phase.RESTORE,
    ]
    assert evidence.playbooks == (validated(),)
    assert evidence.job == job("ls", "nginx -t")
    assert evidence.ticket is not None
    assert evidence.ticket.messages == ("fixed — naïve café ✓",)
    assert evidence.failure is None
    assert evidence.warnings == ("restore was slow",)
    assert evidence.finished_at == START + 10


def test_the_run_folder_may_be_given_in_place_of_the_file(tmp_path: Path) -> None:
    assert read_evidence(write_run(tmp_path / "run").parent).finished_at is not None


def test_nothing_said_and_said_nothing_stay_different(tmp_path: Path) -> None:
    with EvidenceLog.create(tmp_path / "run", started()) as log:
        log.ticket(TicketRecord(id="tkt_1", messages=(), summary=None))
    ticket = read_evidence(log.path).ticket
    assert ticket is not None
    assert ticket.messages == ()
    assert ticket.summary is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    with EvidenceLog.create(tmp_path_factory.mktemp("any") / "run", started()) as log:
        log.failure(FailureRecord(cause=Cause.PREPARE_FAILED, phase=Phase.PREPARE, message=text))
    failure = read_evidence(log.path).failure
    assert failure is not None
    assert failure.message == text


def test_undecodable_output_in_the_scenario_comes_back(tmp_path: Path) -> None:
    odd = {"title": b"\xff and \x00".decode("utf-8", "surrogateescape")}
    with EvidenceLog.create(tmp_path / "run", started(scenario=odd)) as log:
        pass
    assert read_evidence(log.path).run.scenario == odd


def test_cut_off_at_every_byte_of_the_last_line_the_rest_is_readable(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", finish=False)
    whole = path.read_bytes()
    complete = read_evidence(path)
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for length in range(last, len(whole)):
        path.write_bytes(whole[:length])
        evidence = read_evidence(path)
        if length == last:
            assert evidence == complete.model_copy(update={"phases": complete.phases[:-1]})
        elif length == len(whole) - 1:
            assert evidence == complete, "only the line end is missing: nothing is lost"
        else:
            number = whole.count(b"\n")
            note = f"evidence.jsonl:{number}: the last line was cut off and is left out"
            assert evidence.phases == complete.phases[:-1]
            assert evidence.warnings == (*complete.warnings, note)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("whole") / "run")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_cut_off_anywhere_the_lines_before_are_readable(whole_run: Path, data: st.DataObject) -> None:
    content = whole_run.read_bytes()
    head = content.index(b"\n")
    length = data.draw(st.integers(head, len(content)))
    path = whole_run.with_name("cut.jsonl")
    path.write_bytes(content[:length])
    evidence, complete = read_evidence(path), read_evidence(whole_run)
    assert evidence.run == complete.run
    assert evidence.phases == complete.phases[: len(evidence.phases)]
    lines = content[:length].count(b"\n")
    kinds = [json.loads(line)["type"] for line in content.splitlines()[:lines]]
    assert len(evidence.phases) - kinds.count("phase") in {0, 1}
    assert (evidence.finished_at is not None) == (length >= len(content) - 1)


def test_zeros_at_the_end_are_a_cut_off_line(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")  # what some file systems leave after a power cut
    with path.open("ab") as file:
        file.write(bytes(100))
    assert read_evidence(path).finished_at == START + 10


Change = Callable[[list[dict[str, Any]]], None]


def _drop_third(entries: list[dict[str, Any]]) -> None:
    del entries[2]


def _swap(entries: list[dict[str, Any]]) -> None:
    entries[3], entries[4] = entries[4], entries[3]


def _unknown_type(entries: list[dict[str, Any]]) -> None:
    entries[1]["type"] = "gossip"


def _unknown_field(entries: list[dict[str, Any]]) -> None:
    entries[3]["data"]["mood"] = "good"


def _newer(entries: list[dict[str, Any]]) -> None:
    entries[0]["data"]["schema_version"] = 2


def _two_heads(entries: list[dict[str, Any]]) -> None:
    entries[1] = entries[0] | {"seq": 2}


def _no_head(entries: list[dict[str, Any]]) -> None:
    entries[0]["type"] = "warning"


def _no_data(entries: list[dict[str, Any]]) -> None:
    entries[1]["data"] = {}


def _bad_time(entries: list[dict[str, Any]]) -> None:
    entries[-1]["data"]["at"] = "noon"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_third, "evidence.jsonl:3: line 3 has the sequence number 4: lines are missing or moved."),
        (_swap, "evidence.jsonl:4: line 4 has the sequence number 5: lines are missing or moved."),
        (_unknown_type, "evidence.jsonl:2: 'gossip' is not a type of evidence."),
        (_unknown_field, "evidence.jsonl:4: /data/mood: Extra inputs are not permitted"),
        (
            _newer,
            "evidence.jsonl:1: written by a newer version of this plugin (schema 2, known up to 1).",
        ),
        (_two_heads, "evidence.jsonl:2: evidence starts with one line of type run, and has no other."),
        (_no_head, "evidence.jsonl:1: evidence starts with one line of type run, and has no other."),
        (_no_data, "evidence.jsonl:2: data of type hosts is malformed: 'hosts'"),
        (_bad_time, "evidence.jsonl:15: data of type finish is malformed: could not convert string to float: 'noon'"),
    ],
)
def test_evidence_with_a_hole_in_it_is_refused_with_file_and_line(tmp_path: Path, change: Change, message: str) -> None:
    path = write_run(tmp_path / "run")
    entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    change(entries)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with pytest.raises(BenchError) as caught:
        read_evidence(path)
    assert str(caught.value) == f"{path.parent}/{message}"
    assert caught.value.cause is Cause.EVIDENCE_MISSING


def test_a_broken_line_in_the_middle_is_not_taken_for_a_crash(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:20] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(BenchError, match=r"evidence\.jsonl:3: not a line of evidence: "):
        read_evidence(path)


@pytest.mark.parametrize("content", [b"", b'{"seq":1,"at":1,"ty'])
def test_a_run_without_a_head_is_no_evidence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"evidence\.jsonl: no evidence: the file is empty\."):
        read_evidence(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"evidence\.jsonl: No such file or directory\."):
        read_evidence(tmp_path)


def test_numbers_that_json_does_not_have_are_refused_at_the_border() -> None:
    with pytest.raises(ValueError, match="finite number"):
        phase(Phase.PREPARE, 0, seconds=float("nan"))
