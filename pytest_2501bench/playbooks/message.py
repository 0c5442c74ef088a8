"""What a failed task says, in one short paragraph."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

LONGEST = 600
HIDDEN = "the output is hidden by no_log"
# 2.19 and later put the same three words before every message.
_PREFIX = re.compile(r"^(?:Task failed: )?(?:Module failed: |Action failed: )?")


def paragraph(text: str, longest: int = LONGEST) -> str:
    """Return *text* on one line, shortened in the middle so that its start and its end stay readable."""
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    head = longest * 2 // 3
    return f"{line[:head].rstrip()} … {line[-(longest - head - 3) :].lstrip()}"


def last_lines(text: str, longest: int) -> str:
    """Return the end of *text* on one line, at most *longest* characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else "… " + line[-(longest - 2) :].lstrip()


def shell_line(cmd: object) -> str | None:
    """Return the command line of a result's ``cmd``: a string as it is, a list quoted for a shell."""
    if isinstance(cmd, str):
        return cmd.rstrip("\n") or None
    if isinstance(cmd, (list, tuple)) and cmd:
        return shlex.join(str(word) for word in cmd)
    return None


def is_hidden(result: Mapping[str, Any]) -> bool:
    """Say whether ``no_log`` covers *result*."""
    return "censored" in result or bool(result.get("_ansible_no_log"))


def was_not_run(result: Mapping[str, Any]) -> bool:
    """Say whether a command was not executed because of ``creates`` or ``removes``: Ansible calls that ok."""
    texts = (str(result.get("msg") or ""), str(result.get("stdout") or ""))
    return "cmd" in result and any(text.startswith(("Did not run command since ", "skipped, since ")) for text in texts)


def _plain(message: object) -> str:
    text = message if isinstance(message, str) else "" if message is None else str(message)
    return _PREFIX.sub("", text.strip(), count=1)


def _of_command(result: Mapping[str, Any], message: str, line: str) -> str:
    parts = [f"{message.rstrip('.') or 'the command failed'} (rc {result.get('rc')}): {paragraph(line, 200)}"]
    output = str(result.get("stderr") or result.get("stdout") or "")
    if output.strip():
        parts.append(last_lines(output, 300))
    return ": ".join(parts)


def _of_assertion(result: Mapping[str, Any], message: str) -> str:
    assertion = result["assertion"]
    return f"{message or 'Assertion failed'}: {assertion}" if str(assertion) not in message else message


def failure_message(result: Mapping[str, Any], command: str | None = None) -> str:
    """Return why the task with *result* failed.

    Args:
        result: ``res`` of an event; of a loop, of one item.
        command: the command line, for modules whose result does not have it (raw, script).
    """
    if is_hidden(result):
        return HIDDEN
    message = _plain(result.get("msg") or result.get("reason") or result.get("message"))
    line = shell_line(result.get("cmd")) or command
    if line and result.get("rc") is not None:
        text = _of_command(result, message, line)
    elif "assertion" in result:
        text = _of_assertion(result, message)
    elif module_output := str(result.get("module_stderr") or result.get("module_stdout") or ""):
        text = f"{message}: {last_lines(module_output, 300)}"
    elif result.get("status") is not None and result.get("url") and str(result["status"]) not in message:
        text = f"{message} (status {result['status']} from {result['url']})"
    else:
        text = message
        if stderr := str(result.get("stderr") or ""):
            text += f": {last_lines(stderr, 300)}"
    return paragraph(text) or "the module gave no message"


def failed_result(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of *result* that failed: of a loop the last failed item, else the result itself."""
    items = result.get("results")
    if isinstance(items, list):
        failed = [
            item for item in items if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable"))
        ]
        if failed:
            return failed[-1]
    return result
