"""``2501bench audit``: what happened in stored runs, as a document that can be checked; and checking one."""

from __future__ import annotations

import getpass
import os
import platform
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pytest_2501bench.cli.sync import BenchDir

if TYPE_CHECKING:
    from pytest_2501bench.audit.model import Audit
    from pytest_2501bench.report.model import ScenarioReport
    from pytest_2501bench.store.repository import Store

_MAKE = "make"


class AuditGroup(TyperGroup):
    """``audit RUN -o FILE`` is short for ``audit make RUN -o FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse *args*; what begins with no sub-verb is for ``make``."""
        if args and args[0] not in (*self.commands, "--help"):
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=AuditGroup,
    help="What happened in stored runs, as a document that can be checked: 2501bench audit RUN|BENCHMARK -o FILE.",
    no_args_is_help=True,
)


class Format(StrEnum):
    """What a document is written as."""

    JSON = "json"
    PDF = "pdf"
    IN_TOTO = "in-toto"


_SUFFIXES = {".json": Format.JSON, ".pdf": Format.PDF, ".intoto": Format.IN_TOTO}
_Words = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|BENCHMARK…", help="Runs (run_…), benchmarks (last, last~1, bmk_…) or conditions (key=…)."
    ),
]


@app.command(_MAKE)
def make(
    words: _Words,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help=".json for machines, .pdf for people, .intoto.")
    ],
    kind: Annotated[Format | None, typer.Option("--format", help="In place of what the suffix says.")] = None,
    sign: Annotated[
        Path | None, typer.Option("--sign", metavar="KEYFILE", help="An ed25519 key of ssh-keygen, without passphrase.")
    ] = None,
    font: Annotated[
        list[Path] | None, typer.Option("--font", metavar="FILE", help="For a PDF: look for characters here first.")
    ] = None,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Write the document, and protect the runs in it: flush leaves them until they are released.

    Actions as the recording bastion saw them, rules with the evidence that decided, what was forbidden and looked for,
    who ran it with which versions, both verdicts, and a hash chain over all evidence. Exit status 1 if something in the
    evidence contradicts itself; the document says what.
    """
    from hashlib import sha256

    from pytest_2501bench.audit.gather import gather
    from pytest_2501bench.audit.marker import write_marker
    from pytest_2501bench.audit.model import Maker
    from pytest_2501bench.audit.signing import load_signer
    from pytest_2501bench.evidence.folder import not_written, replace_file
    from pytest_2501bench.provenance import versions
    from pytest_2501bench.store.protection import history, protect

    kind = kind or _by_suffix(output)
    if not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent}: no such folder.", param_hint="-o")
    signer = load_signer(sign) if sign is not None else None
    user, machine = _who()
    with _store(bench_dir) as store:
        reports = _chosen(words, store)
        maker = Maker(user=user, machine=machine, versions=versions())
        audit = gather(bench_dir, reports, asked_for=words, made_by=maker, at=time.time())
        content = _write(audit, kind, signer, font or [])
        try:
            replace_file(output, content)
        except OSError as error:
            raise not_written(output, error) from error
        run_ids = [run.run_id for run in audit.runs]
        protect(store, run_ids, f"{user}@{machine}", audit.made_at, sha256(content).hexdigest())
        known = history(store, run_ids)
    for run in audit.runs:
        write_marker(bench_dir / run.folder, [each for each in known if each.run_id == run.run_id])
    _tell(audit, output, signed=signer is not None)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A document of this verb, in any format.")],
    *,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="DIR", help="A copy of the bench directory. Default: --bench-dir."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PUB", help="Who must have signed it: a .pub file of ssh-keygen.")
    ] = None,
    document_only: Annotated[
        bool, typer.Option("--document-only", help="The evidence is elsewhere: check the document by itself.")
    ] = False,
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Compute everything again, and name what was changed, is missing or was added: file, event or bytes.

    Exit status 1 if there is anything. Needs no database.
    """
    from pytest_2501bench.audit.signing import load_public
    from pytest_2501bench.audit.verify import verify as check

    try:
        content = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror or error}.", param_hint="FILE") from error
    place = evidence or bench_dir
    if not document_only and not (place / "runs").is_dir():
        raise typer.BadParameter(
            f"{place}: no folder runs/ in it. Name the bench directory, or say --document-only.",
            param_hint="--evidence",
        )
    public = load_public(key) if key is not None else None
    found = check(content, file.name, evidence=None if document_only else place, key=public)
    for problem in found.problems:
        typer.echo(problem)
    signed = "not signed"
    if found.signer is not None:
        signed = f"signed by {found.signer}" + ("" if public else ", a key that nobody vouched for here: --key")
    if found.problems or found.audit is None:
        typer.echo(f"{file}: {_count(len(found.problems), 'problem')}; {signed}.")
        raise typer.Exit(1)
    what = "as it was written" if document_only else f"as it was written, and so is the evidence in {place}"
    typer.echo(f"{file}: {what}: {_sum(found.audit)}; {signed}.")


@app.command()
def release(
    words: _Words,
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")],
    bench_dir: BenchDir = Path(".2501bench"),
) -> None:
    """Lift the protection of audited runs, for every document about them. Who, when and why is recorded."""
    from pytest_2501bench.audit.marker import write_marker
    from pytest_2501bench.store.protection import history
    from pytest_2501bench.store.protection import release as lift

    if not reason.strip():
        raise typer.BadParameter("a reason is needed.", param_hint="--reason")
    with _store(bench_dir) as store:
        reports = {report.run_id: report for report in _chosen(words, store)}
        released = lift(store, reports, "@".join(_who()), time.time(), reason.strip())
        known = history(store, released)
    for run_id in released:
        folder = bench_dir / reports[run_id].evidence
        if folder.is_dir():
            write_marker(folder, [each for each in known if each.run_id == run_id])
        typer.echo(run_id)
    typer.echo(f"{_count(len(released), 'run')} released, {len(reports) - len(released)} were not protected.")


def _by_suffix(output: Path) -> Format:
    try:
        return _SUFFIXES[output.suffix.lower()]
    except KeyError:
        right = f"{', '.join(_SUFFIXES)}, or --format"
        raise typer.BadParameter(
            f"{output}: the suffix says no format. Right would be {right}.", param_hint="-o"
        ) from None


def _store(bench_dir: Path) -> Store:
    from pytest_2501bench.store.repository import Store

    if not bench_dir.is_dir():
        raise typer.BadParameter(f"{bench_dir}: no such folder.", param_hint="--bench-dir")
    return Store.open(os.environ.get("DATABASE_URL") or None, bench_dir)


def _chosen(words: Sequence[str], store: Store) -> list[ScenarioReport]:
    from pytest_2501bench.analysis.sides import choose

    found: dict[str, ScenarioReport] = {}
    benchmarks = store.benchmarks()
    everything: tuple[ScenarioReport, ...] | None = None
    for word in words:
        one = store.report(word) if word.startswith("run_") else None
        if one is None and everything is None:
            everything = store.reports()
        found |= {report.run_id: report for report in ((one,) if one else choose(word, benchmarks, everything or ()))}
    return list(found.values())


def _write(audit: Audit, kind: Format, signer: Any, fonts: Sequence[Path]) -> bytes:
    from pytest_2501bench.audit.document import write_document
    from pytest_2501bench.audit.paper import write_paper
    from pytest_2501bench.audit.statement import write_statement

    match kind:
        case Format.PDF:
            return write_paper(audit, signer, fonts)
        case Format.IN_TOTO:
            return write_statement(audit, signer)
    return write_document(audit, signer)


def _who() -> tuple[str, str]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        user = str(os.getuid())
    return user, platform.node() or "unknown"


def _tell(audit: Audit, output: Path, *, signed: bool) -> None:
    typer.echo(f"{output}: {_sum(audit)}{', signed' if signed else ''}. The runs are protected.")
    for run in audit.runs:
        for fault in run.faults:
            typer.echo(f"{run.run_id}: contradiction: {fault}", err=True)
        for doubt in run.doubts:
            typer.echo(f"{run.run_id}: {doubt}", err=True)
    if any(run.faults for run in audit.runs):
        raise typer.Exit(1)


def _sum(audit: Audit) -> str:
    chains = [chain for each in audit.benchmarks for chain in (each.files, *(run.chain for run in each.runs))]
    links = sum(len(chain.links) for chain in chains)
    runs, benchmarks = _count(len(audit.runs), "run"), _count(len(audit.benchmarks), "benchmark")
    return f"{runs} of {benchmarks}, {_count(links, 'link')}, root {audit.root}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
