"""The PDF: it opens, says everything, and shows whatever agents write without being led astray by it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader
from support.audited import HOSTILE, SCRIPTS, Shelf

from pytest_2501bench.audit import fonts as fonts_module
from pytest_2501bench.audit.document import write_document
from pytest_2501bench.audit.paper import write_paper
from pytest_2501bench.audit.verify import verify
from pytest_2501bench.errors import BenchError, Cause


@pytest.fixture(scope="module")
def paper(original: Shelf) -> bytes:
    return write_paper(original.audit())


def words(content: bytes) -> str:
    """All text of the pages, on one line."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())


def test_it_says_what_an_auditor_asks(paper: bytes, original: Shelf) -> None:
    text = words(paper)
    (head,) = original.audit().benchmarks
    for expected in (
        original.audit().root,
        head.root,
        "ada on lab-1",
        "python 3.11.7",
        "org org_1",
        "task validation passed validate.yml passed",
        "nginx -t",
        "exec",
        "/etc/nginx/nginx.conf to 812 B",
        "Forbidden, and looked for",
        "avoided no task matches, 5 looked at",
        "found matched in task 1, which must not be",
        "Test a configuration before a reload. · ",
        "Claimed command",
    ):
        assert expected in text, expected


def test_the_document_for_machines_is_attached(paper: bytes, original: Shelf) -> None:
    reader = PdfReader(io.BytesIO(paper), strict=True)
    assert reader.attachments["audit.json"] == [write_document(original.audit())]


def test_hostile_text_is_shown_and_has_no_power(paper: bytes) -> None:
    text = words(paper).replace(" ", "")
    assert HOSTILE.startswith("echo '</table><script>")
    assert "echo'</table><script>alert(1)</script>'\\x1b]0;title\\x07\\u202erm-rf\\u202c/\\udcff;xxx" in text
    assert "x" * 1300 not in text  # cut short; whole in the attachment
    for power in (b"/JavaScript", b"/JS", b"/Launch", b"/URI", b"/SubmitForm"):
        assert power not in paper


@pytest.mark.parametrize(
    "text", ["你" * 5000, "W" * 5000, "🙂" * 2000, "e" + "\u0301" * 3000, "a " * 3000, "\n\n" * 900, ""]
)
def test_text_of_any_kind_and_length_fits_on_pages(text: str, original: Shelf) -> None:
    audit = original.audit(1)
    ((head,), (run,)) = audit.benchmarks, audit.runs
    (work,) = run.work or ()
    rule, *_ = run.forbidden
    changes: dict[str, object] = {
        "title": text,
        "warnings": (text, text),
        "actions": tuple(each.model_copy(update={"command": text, "host": text}) for each in run.actions[:2]),
        "work": (work.model_copy(update={"summary": text, "agent": text, "injected_rules": (text,)}),),
        "rules": (rule.model_copy(update={"pattern": text}),),
    }
    head = head.model_copy(update={"runs": (run.model_copy(update=changes),)})
    content = write_paper(audit.model_copy(update={"benchmarks": (head,)}))
    assert 2 <= len(PdfReader(io.BytesIO(content)).pages) <= 14


def test_marks_piled_upon_a_letter_are_written_out() -> None:
    shown = fonts_module.Fonts("text", "mono", frozenset(range(0x400))).shown
    assert shown("e\u0301") == "e\u0301"
    assert shown("e" + "\u0301" * 5) == "e" + "\u0301" * 3 + "\\u0301" * 2


def test_every_script_is_shown_or_written_out(paper: bytes) -> None:
    """Which of both depends on the fonts of this machine."""
    text = words(paper)
    escaped = "\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442"
    assert "Привет" in text or escaped in text.replace(" ", "")
    for char in sorted({char for char in SCRIPTS if ord(char) > 0x7F}):
        assert char in text or f"\\u{ord(char):04x}" in text or f"\\U{ord(char):08x}" in text, hex(ord(char))


def test_without_any_font_what_is_not_latin_is_written_out(original: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts_module, "_FOLDERS", ())
    content = write_paper(original.audit())
    text = words(content)
    assert "\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442" in text.replace(" ", "")
    assert "nginx -t" in text
    assert verify(content, "a.pdf", evidence=None).problems == ()


def test_the_same_content_gives_the_same_bytes(paper: bytes, original: Shelf) -> None:
    assert write_paper(original.audit()) == paper


def test_the_seal_is_short_enough_for_readers_that_look_for_the_end(paper: bytes) -> None:
    assert b"%%EOF" in paper[-1024:]


def test_a_file_that_is_no_font_is_one_line(original: Shelf, tmp_path: Path) -> None:
    noise = tmp_path / "noise.ttf"
    noise.write_text("noise")
    with pytest.raises(BenchError, match=r"--font: .*noise\.ttf: not a font") as caught:
        write_paper(original.audit(), fonts=[noise])
    assert caught.value.cause is Cause.OPTION_INVALID


def test_without_the_extra_it_says_what_to_install(original: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytest_2501bench.audit.pages", raising=False)
    monkeypatch.setitem(sys.modules, "fpdf", None)
    with pytest.raises(BenchError) as caught:
        write_paper(original.audit())
    assert caught.value.cause is Cause.TOOL_MISSING
    assert "pip install 'pytest-2501bench[audit]'" in str(caught.value)
