"""Evidence is on disk before the run goes on, and a run happens once."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from support.processes import python, results
from support.records import job, phase, started, write_run

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.evidence.log import AlreadyRun, EvidenceLog, read_evidence
from pytest_2501bench.evidence.model import HostRecord, TicketRecord


def test_every_line_is_numbered_canonical_json(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    lines = path.read_bytes().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["seq"] for entry in entries] == list(range(1, len(lines) + 1))
    assert [set(entry) - {"prev"} for entry in entries] == [{"seq", "at", "type", "data"}] * len(lines)
    for line, entry in zip(lines, entries, strict=True):
        canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert line.decode() == canonical
    assert "naïve café ✓" in path.read_text(encoding="utf-8")


def test_every_line_holds_the_digest_of_the_one_before_it(tmp_path: Path) -> None:
    first, *rest = lines = write_run(tmp_path / "run").read_bytes().splitlines(keepends=True)
    assert "prev" not in json.loads(first)
    assert [json.loads(line)["prev"] for line in rest] == [hashlib.sha256(line).hexdigest() for line in lines[:-1]]


def test_a_second_start_of_the_same_run_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    before = path.read_bytes()
    with pytest.raises(AlreadyRun, match="a run happens exactly once") as caught:
        EvidenceLog.create(tmp_path / "run", started("run_2"))
    assert caught.value.run_dir == tmp_path / "run"
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_even_an_empty_folder_means_that_the_run_was_made(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(AlreadyRun):
        EvidenceLog.create(tmp_path / "run", started())


def test_of_several_processes_exactly_one_makes_the_run(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from support.records import started
        from pytest_2501bench.evidence.log import AlreadyRun, EvidenceLog
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            with EvidenceLog.create(Path(sys.argv[1]), started(sys.argv[2])):
                print("made")
        except AlreadyRun:
            print("refused")
    """
    processes = [python(code, str(tmp_path / "runs" / "run"), f"run_{number}") for number in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = results(processes)
    assert sorted(outputs) == ["made", "refused", "refused", "refused"]
    assert read_evidence(tmp_path / "runs" / "run").run.run_id == f"run_{outputs.index('made')}"
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == ["run"]


def test_a_phase_is_synced_and_a_poll_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EvidenceLog.create(tmp_path / "run", started()) as log:
        synced: list[int] = []
        fsync = os.fsync

        def counted(descriptor: int) -> None:
            synced.append(descriptor)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", counted)
        log.phase(phase(Phase.PROVISION, 0))
        assert len(synced) == 1
        log.job(job("ls", finished=False), sync=False)
        assert len(synced) == 1
        log.job(job("ls", finished=False))
        assert len(synced) == 2, "the same job again, now to be kept: nothing to write, but to sync"


def test_a_job_that_did_not_change_is_written_once(tmp_path: Path) -> None:
    with EvidenceLog.create(tmp_path / "run", started()) as log:
        for _ in range(50):
            log.job(job("ls", finished=False), sync=False)
        log.job(job("ls", "nginx -t"))
    assert len(log.path.read_bytes().splitlines()) == 3
    assert read_evidence(log.path).job == job("ls", "nginx -t")


def test_a_line_cut_off_by_an_interrupt_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EvidenceLog.create(tmp_path / "run", started()) as log:
        log.phase(phase(Phase.PROVISION, 0))
        write = os.write

        def half(descriptor: int, content: bytes) -> int:
            write(descriptor, content[: len(content) // 2])
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", half)
            with pytest.raises(KeyboardInterrupt):
                log.phase(phase(Phase.PREPARE, 1))
        assert [p.name for p in read_evidence(log.path).phases] == [Phase.PROVISION]
        log.warning("interrupted")
    evidence = read_evidence(log.path)
    assert [p.name for p in evidence.phases] == [Phase.PROVISION]
    assert evidence.warnings == ("interrupted",)


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    with EvidenceLog.create(tmp_path / "run", started()) as log:

        def warn(number: int) -> None:
            for count in range(20):
                log.warning(f"{number}-{count} " + "x" * 5000)

        threads = [threading.Thread(target=warn, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read_evidence(log.path).warnings) == 80


def test_nothing_can_be_added_to_a_run_that_is_over(tmp_path: Path) -> None:
    log = EvidenceLog.create(tmp_path / "run", started())
    log.finish()
    with pytest.raises(BenchError, match="the run is over; ticket came too late"):
        log.ticket(TicketRecord(id="tkt_1"))
    log.close()


def test_what_a_killed_process_said_it_wrote_is_there(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from support.records import started
        from pytest_2501bench.evidence.log import EvidenceLog
        log = EvidenceLog.create(Path(sys.argv[1]), started())
        for number in range(1_000_000):
            log.warning(f"{number} " + "x" * 3000)
            print(number, flush=True)
    """
    process = python(code, str(tmp_path / "run"))
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0].split()
    warnings = read_evidence(tmp_path / "run").warnings
    assert len(warnings) >= 20 + len(said)


FILL = """
    import os, sys
    from pathlib import Path
    from support.records import job, started
    from pytest_2501bench.errors import BenchError
    from pytest_2501bench.evidence.log import EvidenceLog, read_evidence
    %(limit)s
    log = EvidenceLog.create(Path(sys.argv[1]) / "run", started())
    written = 0
    try:
        while written < 10_000:
            log.warning(f"{written} " + "x" * 1000)
            written += 1
    except BenchError as error:
        print(error.cause)
        print(error)
    evidence = read_evidence(log.path)
    assert len(evidence.warnings) == written, (len(evidence.warnings), written)
    %(free)s
    log.warning("there is room again")
    log.finish()
    assert read_evidence(log.path).warnings[-1] == "there is room again"
    assert len(read_evidence(log.path).warnings) == written + 1
    print(written)
"""


@pytest.mark.namespace
def test_a_full_disk_is_said_and_nothing_written_before_is_lost(tmp_path: Path) -> None:
    limit = """
    import subprocess
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", sys.argv[1]], check=True)
    ballast = Path(sys.argv[1]) / "ballast"
    ballast.write_bytes(bytes(32_768))"""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    process = python(FILL % {"limit": limit, "free": "ballast.unlink()"}, str(tmp_path), prefix=unshare)
    cause, message, written = results([process])[0].splitlines()
    assert cause == Cause.EVIDENCE_NOT_WRITTEN
    assert message == (
        f"{tmp_path}/run/evidence.jsonl: No space left on device."
        " Free some space there, or choose another folder for results."
    )
    assert 10 < int(written) < 100


def test_a_file_size_limit_is_said_and_nothing_written_before_is_lost(tmp_path: Path) -> None:
    limit = """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))"""
    free = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
    cause, message, written = results([python(FILL % {"limit": limit, "free": free}, str(tmp_path))])[0].splitlines()
    assert cause == Cause.EVIDENCE_NOT_WRITTEN
    assert message == (
        f"{tmp_path}/run/evidence.jsonl: File too large. Raise this user's limit on file sizes (ulimit -f)."
    )
    assert 10 < int(written) < 50


def test_a_failing_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with EvidenceLog.create(tmp_path / "run", started()) as log:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(BenchError, match=r"Input/output error\. The disk reports a fault"):
            log.hosts([HostRecord(host_id="hst_1", host_name="web-01")])


def test_a_folder_without_permission_is_said(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from support.records import started
        from pytest_2501bench.errors import BenchError
        from pytest_2501bench.evidence.log import EvidenceLog
        try:
            EvidenceLog.create(Path(sys.argv[1]) / "run", started())
        except BenchError as error:
            print(error)
    """
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    # root may write anywhere, unless it gives up that right
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    output = results([python(code, str(locked), prefix=drop)])[0]
    assert output == (
        f"{locked}/run: Permission denied. Give this user write permission there, or choose another folder for results."
    )


def test_a_failed_start_leaves_no_half_made_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(BenchError, match="No space left on device"):
            EvidenceLog.create(tmp_path / "run", started())
    assert list(tmp_path.iterdir()) == []
    write_run(tmp_path / "run")


def test_the_file_is_not_inherited_by_programs_that_the_run_starts(tmp_path: Path) -> None:
    with EvidenceLog.create(tmp_path / "run", started()):
        listing = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, check=True).stdout
    assert "evidence.jsonl" not in listing
