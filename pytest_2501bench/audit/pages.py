"""The pages of the PDF: what an auditor asks, in that order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, TableBordersLayout, VAlign, XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from pytest_2501bench.audit.fonts import Fonts, load_fonts, shaped
from pytest_2501bench.audit.model import Action, Audit, BenchmarkAccount, RuleAccount, RunAccount
from pytest_2501bench.report.plain import one_line

ATTACHMENT: Final = "audit.json"
_LONGEST: Final = 1200
"""Characters of one cell; what is cut off is in the attached document."""
_MOST_ROWS: Final = 1000
_TEXT_SIZE, _MONO_SIZE = 8, 7.5  # points
_LINE: Final = 4
_PADDING: Final = 0.7
_MOST_LINES: Final = 50
"""Of one row; a page has room for 60."""
_WIDEST: Final = 3
"""Millimetres that no character is wider than at that size."""
_GREY: Final = (110, 110, 110)
_SHADE: Final = (238, 240, 243)
_COLOURS: Final = {"passed": (20, 110, 50), "failed": (170, 30, 30), "error": (150, 95, 0)}
_HEAD: Final = FontFace(emphasis="BOLD", fill_color=_SHADE)


class _Paper(FPDF):
    def __init__(self, line: str) -> None:
        super().__init__(format="A4")
        self.foot = line
        self.words = ""
        self.set_margins(15, 15)
        self.set_auto_page_break(auto=True, margin=18)

    def footer(self) -> None:
        """Write the root and the page's number."""
        self.set_y(-12)
        self.set_font(self.words, size=7)
        self.set_text_color(*_GREY)
        self.cell(0, 4, f"{self.foot}    page {self.page_no()}", align="R")
        self.set_text_color(0)


def render(audit: Audit, document: bytes, fonts: Sequence[Path], signer: str) -> bytes:
    """Return the PDF of *audit* with *document* attached; *signer* is a key's fingerprint, or empty.

    Raises:
        OSError, ValueError: a file of *fonts* cannot be used.
    """
    pdf = _Paper(f"2501bench audit, root {audit.root[:32]}…")
    try:
        return _written(pdf, audit, document, fonts, signer)
    finally:
        for font in pdf.fonts.values():  # nobody else closes their files
            if isinstance(font, TTFFont):
                font.close()


def _written(pdf: _Paper, audit: Audit, document: bytes, fonts: Sequence[Path], signer: str) -> bytes:
    # Every run's text, and the words of these pages.
    needed = json.dumps(audit.model_dump(mode="json"), ensure_ascii=False) + "–—…⏎•·"
    found = load_fonts(pdf, needed, fonts)
    pdf.words = found.text
    if found.text != "Helvetica" and shaped(needed):
        pdf.set_text_shaping(True)
    pdf.set_title("Audit of benchmark runs")
    pdf.set_creator("pytest-2501bench")
    pdf.set_lang("en")
    pdf.set_creation_date(datetime.fromtimestamp(audit.made_at, UTC))
    pdf.embed_file(
        bytes=document, basename=ATTACHMENT, desc="the same, for machines", mime_type="application/json", compress=False
    )
    writer = _Writer(pdf, found)
    writer.cover(audit, signer)
    for benchmark in audit.benchmarks:
        writer.benchmark(benchmark)
    for run in audit.runs:
        writer.run(run)
    return bytes(pdf.output())


class _Writer:
    """Puts an account on pages, with fonts that have its characters."""

    def __init__(self, pdf: _Paper, fonts: Fonts) -> None:
        self.pdf = pdf
        self.fonts = fonts

    def cover(self, audit: Audit, signer: str) -> None:
        """Write what the document is and how it is checked."""
        self.pdf.add_page()
        self._heading("Audit of benchmark runs", 18)
        runs = audit.runs
        self._facts(
            ("Made", f"{_moment(audit.made_at)} by {audit.made_by.user} on {audit.made_by.machine}"),
            ("With", _pairs(audit.made_by.versions)),
            ("About", f"{_count(len(runs), 'run')} of {_count(len(audit.benchmarks), 'benchmark')}"),
            ("Asked for", " ".join(audit.asked_for)),
            ("Root", audit.root),
            ("Signed", signer or "no"),
        )
        self._text(
            "The root is a hash chain over every event and every file of evidence of these runs. Attached to this file "
            f"is {ATTACHMENT}, which has all links of the chain and everything that is cut short here. "
            "2501bench audit verify FILE --evidence DIR computes the chain again and names what was changed since. "
            "Without a signature that one trusts it shows that document and evidence fit together, not who made them; "
            "and it says nothing about changes made before the document was."
        )
        self._heading("Runs", 13)
        self._table(
            ("Run", "Scenario", "Began (UTC)", "Task validation", "Compliance", "To ask"),
            (33, 53, 34, 24, 22, 14),
            [
                (
                    run.run_id,
                    f"{run.key} #{run.iteration}",
                    _moment(run.started_at).removesuffix(" UTC"),
                    *_statuses(run),
                    str(_doubts(run)),
                )
                for run in runs
            ],
        )

    def benchmark(self, account: BenchmarkAccount) -> None:
        """Write who ran it with which versions."""
        head = account.benchmark
        self._heading(f"Benchmark {head.id}", 13)
        who = f"{head.user} on {head.machine}"
        ids = _pairs({"org": head.org_id, "tenant": head.tenant_id, "user": head.user_id})
        self._facts(
            ("Who", f"{who} ({ids})" if ids else who),
            ("When", f"{_moment(head.started_at)} – {_moment(head.finished_at)}"),
            ("Way", _pairs({"mode": head.mode, "gateway": head.gateway, "agent": head.agent})),
            ("Engines", _pairs({"main": head.main_engine, "secondary": head.secondary_engine}) or "not said"),
            ("Specialty", head.specialty or "not said"),
            ("Versions", _pairs(head.versions)),
            ("Git", _pairs(head.git) or "not in a repository"),
            ("In here", "all its runs" if account.whole else f"{_count(len(account.runs), 'run')} of it, not all"),
            ("Root", account.root),
        )

    def run(self, run: RunAccount) -> None:
        """Write one run's account."""
        self.pdf.add_page()
        self._heading(f"{run.title}", 15)
        self._facts(
            ("Run", f"{run.run_id}, {run.nodeid}"),
            ("When", f"{_moment(run.started_at)}, {run.finished_at - run.started_at:.1f} s"),
            ("Way", _pairs({"mode": run.mode, "gateway": run.gateway, "agent": run.agent, "ticket": run.ticket})),
            (
                "Engines",
                _pairs({"main": run.main_engine, "secondary": run.secondary_engine, "specialty": run.specialty})
                or "not said",
            ),
            ("Hosts", ", ".join(f"{host.host_name} ({host.host_id})" for host in run.hosts) or "none"),
            ("Agents", ", ".join(f"{agent.agent_name or ''} ({agent.agent_id})" for agent in run.agents) or "none"),
            ("Evidence", f"{run.folder}: {_count(len(run.chain.links), 'link')}"),
            ("Root", run.chain.root),
            ("Written as a chain", "yes" if run.written_as_chain else "no"),
        )
        if run.faults or run.doubts:
            self._heading("What to ask about", 11)
            for fault in run.faults:
                self._text(f"• contradiction: {fault}", colour=_COLOURS["failed"])
            for doubt in run.doubts:
                self._text(f"• {doubt}", colour=_COLOURS["error"])
        self._heading("Verdicts", 11)
        rows = [(gate.gate.replace("_", " "), gate.status, gate.reason, _score(gate.score)) for gate in run.gates]
        self._table(("Gate", "Verdict", "Why", "Score"), (32, 20, 108, 20), rows)
        self._actions(run)
        self._rules("Operational rules that had to be followed", run.demanded, forbidden=False)
        self._rules("Forbidden, and looked for", run.forbidden, forbidden=True)
        self._work(run)
        self._harness(run)

    def _actions(self, run: RunAccount) -> None:
        self._heading(f"What was done: {_count(len(run.actions), 'command')}", 11)
        if run.actions:
            rows = [
                (_moment(each.started_at, short=True), each.host or "", each.command, _exit(each), _how(each))
                for each in run.actions
            ]
            self._table(("UTC", "Host", "Command", "Exit", "Seen"), (23, 19, 102, 12, 24), rows, mono=(2,))
        if run.files:
            self._heading(f"Files that were copied: {len(run.files)}", 11)
            moved = [
                (
                    _moment(file.at, short=True),
                    file.host or "",
                    file.path,
                    "to" if file.to_host else "from",
                    _size(file.bytes),
                )
                for file in run.files
            ]
            self._table(("UTC", "Host", "Path", "Way", "Size"), (23, 19, 102, 12, 24), moved, mono=(2,))

    def _rules(self, title: str, rules: Sequence[RuleAccount], *, forbidden: bool) -> None:
        if not rules:
            return
        self._heading(title, 11)
        words = {"passed": "avoided", "failed": "found", "error": "no verdict"} if forbidden else {}
        rows = []
        for rule in rules:
            result = rule.result
            label = result.label if result.required else f"{result.label} (for information)"
            pattern = f"{rule.pattern} in {rule.where}" if rule.where else rule.pattern or result.validator
            looked = "" if rule.looked_at is None else f", {rule.looked_at} looked at"
            evidence = f" [{result.span.source}: {result.span.text}]" if result.span else ""
            status = words.get(result.status, result.status)
            rows.append((label, pattern, status, f"{result.reason}{looked}{evidence}"))
        self._table(("Rule", "Pattern", "Verdict", "What decided"), (44, 50, 20, 66), rows, mono=(1,))

    def _work(self, run: RunAccount) -> None:
        for work in run.work or ():
            self._heading(f"Task {work.id} on {work.host or 'no host'}: {work.status}", 11)
            rules = work.injected_rules
            told = "the engine did not say" if rules is None else " · ".join(rules) or "none"
            claims = work.claims
            said = "none" if claims is None else f"{_count(len(claims), 'command')}"
            self._facts(
                ("Agent", work.agent or "not said"),
                ("Rules it was given", told),
                ("Its summary", work.summary or "none"),
                ("It claims", said),
            )
            if claims:
                rows = [(each.host or "", each.command, _exit(each)) for each in claims]
                self._table(("Host", "Claimed command", "Exit"), (24, 136, 20), rows, mono=(1,))

    def _harness(self, run: RunAccount) -> None:
        if run.playbooks:
            self._heading("What the harness played", 11)
            rows = [
                (_moment(each.started_at, short=True), each.name, each.phase, each.status, each.failed_task or "")
                for each in run.playbooks
            ]
            self._table(("UTC", "Playbook", "Phase", "End", "Why"), (23, 35, 20, 22, 80), rows)
        left = [f"{each.host}: {each.command} (pid {each.pid}, {each.kind})" for each in run.left_running or ()]
        self._facts(
            ("Left running", "nobody looked" if run.left_running is None else "; ".join(left) or "nothing"),
            ("Out of reach", ", ".join(run.unreached) or "no host"),
            ("Warnings", "; ".join(run.warnings) or "none"),
            ("Version key", _pairs(run.version_key)),
        )

    def _heading(self, text: str, size: float) -> None:
        # A heading alone at the foot of a page helps nobody.
        if self.pdf.will_page_break(size + 16):
            self.pdf.add_page()
        self.pdf.ln(2)
        self.pdf.set_font(self.fonts.text, "B", size)
        self.pdf.multi_cell(0, size * 0.5, self._cell(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.pdf.ln(1)

    def _text(self, text: str, colour: tuple[int, int, int] = (0, 0, 0)) -> None:
        self.pdf.set_font(self.fonts.text, "", 8.5)
        self.pdf.set_text_color(*colour)
        self.pdf.multi_cell(0, 4.2, self._cell(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.pdf.set_text_color(0)

    def _facts(self, *facts: tuple[str, str]) -> None:
        self._table((), (32, 148), [(name, value) for name, value in facts if value])

    def _table(
        self, head: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[str]], mono: Sequence[int] = ()
    ) -> None:
        listed = list(rows)
        shown = listed[:_MOST_ROWS]
        self.pdf.set_font(self.fonts.text, "", _TEXT_SIZE)
        code, name = FontFace(family=self.fonts.mono, size_pt=_MONO_SIZE), FontFace(color=_GREY)
        with self.pdf.table(
            col_widths=tuple(widths),
            width=sum(widths),
            align="LEFT",
            text_align="LEFT",
            line_height=_LINE,
            v_align=VAlign.T,
            padding=_PADDING,
            headings_style=_HEAD,
            first_row_as_headings=bool(head),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES if head else TableBordersLayout.NONE,
        ) as table:
            if head:
                table.row(tuple(head))
            for values in shown:
                row = table.row()
                for column, value in enumerate(values):
                    style = code if column in mono else name if not head and column == 0 else _status_style(value)
                    row.cell(self._fitting(value, widths[column], mono=column in mono), style=style)
        if len(listed) > len(shown):
            self._text(f"… and {len(listed) - len(shown)} more, in {ATTACHMENT}.")
        self.pdf.ln(1)

    def _fitting(self, text: str, width: float, *, mono: bool) -> str:
        """Return *text*, cut so that its row fits on a page: fpdf2 refuses a higher one."""
        text, inner = self._cell(text), width - 2 * _PADDING
        while len(text) * _WIDEST > _MOST_LINES * inner:
            self.pdf.set_font(self.fonts.mono if mono else self.fonts.text, "", _MONO_SIZE if mono else _TEXT_SIZE)
            lines = self.pdf.multi_cell(inner, text=text, dry_run=True, output=MethodReturnValue.LINES)
            self.pdf.set_font(self.fonts.text, "", _TEXT_SIZE)
            assert isinstance(lines, list)
            if len(lines) <= _MOST_LINES:
                break
            text = text[: max(len(text) * (_MOST_LINES - 1) // len(lines) - 1, 1)] + "…"
        return text

    def _cell(self, text: str) -> str:
        # Again, because what is written out takes more room.
        return one_line(self.fonts.shown(one_line(text, _LONGEST)), _LONGEST)


def _status_style(value: str) -> FontFace | None:
    words = {"avoided": "passed", "found": "failed", "no verdict": "error"}
    colour = _COLOURS.get(words.get(value, value))
    return None if colour is None else FontFace(color=colour, emphasis="BOLD")


def _moment(at: float | None, *, short: bool = False) -> str:
    if at is None:
        return "–"
    text = time.strftime("%H:%M:%S" if short else "%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    return f"{text}.{int(at % 1 * 1000):03d}" if short else text


def _statuses(run: RunAccount) -> tuple[str, ...]:
    return tuple(gate.status for gate in run.gates)


def _doubts(run: RunAccount) -> int:
    return len(run.doubts) + len(run.faults)


def _exit(action: Action) -> str:
    return "–" if action.exit_status is None else str(action.exit_status)


def _how(action: Action) -> str:
    if not action.seen:
        return "no, told"
    return ", ".join(word.replace("_", " ") for word in (action.kind or "", *action.traits) if word)


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.0%}"


def _size(size: int | None) -> str:
    return "–" if size is None else f"{size} B"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _pairs(values: object) -> str:
    assert isinstance(values, dict)
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in (None, ""))
