"""A repair by hand as a draft of solve.yml: one task per line that can be played again, comments for the rest."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Final

import yaml

from pytest_2501bench.authoring.typed import Edit, Line
from pytest_2501bench.scoring.command_rules import compile_command_pattern
from pytest_2501bench.scoring.read_only import READ_ONLY
from pytest_2501bench.shell.parse import Ran, parse

_SUDO: Final = re.compile(r"(^|[;&|(]\s*|\b(?:then|do|else)\s+)sudo\s+(?:(?:-[nEHS]+|--)\s+)*(?!-)")
_NEEDS_SHELL: Final = re.compile(r"""[|&;<>()$`*?\[\]{}~!#\n\\]|^\w+=""")
_WORDS: Final = {
    "of the shell": "cd type ulimit umask command test [ for while if until case time echo printf set",
    "editors": "vi vim view nano pico emacs ed ex joe mcedit editor sudoedit visudo vipw vigr select-editor",
    "screens": "less more man top htop atop iotop watch mc screen tmux w3m dialog whiptail nmtui",
    # What they do is the same in every folder.
    "anywhere": "apachectl apt apt-cache apt-get chage crontab curl date dig dmesg docker dpkg echo free getent host "
    "hostname hostnamectl id ip iptables journalctl kill killall kubectl loginctl mysql nft nginx nslookup pgrep pidof "
    "ping pkill podman printf ps psql redis-cli resolvectl runuser service sleep ss swapon sysctl systemctl "
    "timedatectl true update-rc.d uptime useradd userdel usermod w who whoami",
    "prompts": "ssh telnet su sftp mysql psql python python3 redis-cli bash sh",
}
_PROGRAMS: Final = {kind: frozenset(words.split()) for kind, words in _WORDS.items()}
_BASH: Final = re.compile(r"\[\[|<<<|<\(|>\(|&>|\|&|\$'|\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}|\bpipefail\b|\bfunction\b")
_FAR: Final = re.compile("[\U00010000-\U0010ffff]")
_JINJA: Final = re.compile(r"\{[{%#]")
_FREE_FORM: Final = re.compile(r"\b(?:argv|chdir|creates|removes|executable|stdin|strip_empty_ends|warn)=")
_FORGOTTEN: Final = re.compile(r"(?:exit|logout|clear|reset|history|fg|bg|jobs|pwd)\b[^;&|]*")
_CD: Final = re.compile(r"cd(?:\s+(?P<folder>[^\s;&|]+))?")
_STATE: Final = re.compile(r"(?:export|alias|unalias|source|\.|set|unset|shopt|declare|readonly|trap)(?:\s|$)|\w+=\S*$")
_FOLLOWS: Final = re.compile(r"(?:tail|journalctl|kubectl logs|docker logs|podman logs)\b.*\s(?:-\w*[fF]\b|--follow)")
_EDITS: Final = re.compile(r"crontab .*-e\b|systemctl .*\bedit\b|git (?:commit|rebase)\b(?!.* -m)")
REPORT: Final = "FIXME: the cause, what was done about it, and how it was seen that it works."


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted playbook.

    Attributes:
        text: the YAML.
        tasks: how many lines became tasks.
        left_out: the lines that did not, each with the reason.
    """

    text: str
    tasks: int
    left_out: tuple[tuple[Line, str], ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One thing below ``tasks:``: comment lines, and perhaps a task."""

    host: str
    comments: tuple[str, ...] = ()
    task: tuple[str, ...] = ()


def draft(lines: Sequence[Line], *, name: str, hosts: Sequence[str], report: str | None = None) -> Draft:
    """Return what *lines*, of which there is at least one, make.

    Args:
        lines: in order.
        name: of the plays.
        hosts: those of the scenario; each that was worked on reports once.
        report: the text of the report; a FIXME by default.
    """
    maker = _Maker()
    entries = [entry for line in lines if (entry := maker.entry(line)) is not None]
    last = {entry.host: place for place, entry in enumerate(entries)}
    whole: list[_Entry] = []
    for place, entry in enumerate(entries):
        whole.append(entry)
        if last[entry.host] == place:
            whole.append(_report(entry.host, report))
    if not whole:
        whole.append(_report(hosts[0], report))
    sessions = len({line.session for line in lines})
    head = (
        f"# Drafted by `2501bench record` from {_amount(sessions, 'session')}. "
        "Read it through: FIXME stands where something is left to you.\n"
    )
    plays = [_play(name, host, list(group)) for host, group in groupby(whole, key=lambda entry: entry.host)]
    return Draft(head + "\n".join(plays), maker.tasks, tuple(maker.left_out))


def _amount(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _play(name: str, host: str, entries: Sequence[_Entry]) -> str:
    head = [
        f"- name: {_scalar(name)}",
        f"  hosts: {host}",
        "  gather_facts: false",
        """  become: "{{ ansible_user != 'root' }}\"""",
        "  tasks:",
    ]
    blocks = []
    for each in entries:
        lines = [*(f"# {_shown(text)}" for text in each.comments), *each.task]
        blocks.append("\n".join(f"    {line}".rstrip() for line in lines))
    return "\n".join(head) + "\n" + "\n\n".join(blocks) + "\n"


def _shown(text: str) -> str:
    """Return *text* fit for a comment: what YAML does not take is replaced."""
    return "".join(sign if sign.isprintable() else "�" for sign in text.expandtabs(4))


def _report(host: str, report: str | None) -> _Entry:
    text = report if report is not None else REPORT
    return _Entry(host, (), ("- name: Report", "  ansible.builtin.debug:", *_field("msg", text, 4)))


class _Maker:
    """Makes entries of lines, one after the other."""

    def __init__(self) -> None:
        self.tasks = 0
        self.left_out: list[tuple[Line, str]] = []
        self._folders: dict[str, str] = {}  # by session, for lines of which only keystrokes are known

    def entry(self, line: Line) -> _Entry | None:
        """Return what *line* becomes, or None if it leaves nothing."""
        line = replace(line, text=_SUDO.sub(r"\1", line.text).strip())
        if line.keys_only:
            line = replace(line, folder=self._folders.get(line.session))
        if not line.text or _FORGOTTEN.fullmatch(line.text):
            return None
        if (moved := _CD.fullmatch(line.text)) is not None:
            self._move(line, moved["folder"])
            return None
        if line.text.startswith("#"):
            return _Entry(line.host, tuple(line.text.lstrip("# ").splitlines()))
        if (changed := [edit for edit in line.edits if edit.after is not None and edit.before != edit.after]) != []:
            return self._edited(line, changed)
        reason = _unplayable(line)
        if reason is not None:
            self.left_out.append((line, reason))
            return _Entry(line.host, (f"FIXME: left out, {reason}:", *(f"  {text}" for text in line.text.splitlines())))
        return self._task(line)

    def _move(self, line: Line, folder: str | None) -> None:
        if line.keys_only:
            here = self._folders.get(line.session, "")
            if folder is None or folder.startswith("~"):
                self._folders.pop(line.session, None)
            elif folder.startswith("/"):
                self._folders[line.session] = folder
            elif here:
                self._folders[line.session] = f"{here.rstrip('/')}/{folder}"

    def _task(self, line: Line) -> _Entry:
        self.tasks += 1
        looks = _looks(line.text)
        comments, after = [], []
        if line.keys_only and re.search(r"\t", line.text):
            comments.append("FIXME: typed with completion, which is not seen; complete it.")
        if line.status not in (0, None):
            comments.append(f"It ended with status {line.status}.")
        if looks:
            after.append("changed_when: false")
        if line.status != 0 and (looks or line.status is not None):
            after.append("failed_when: false")
        chdir = line.folder if line.folder not in (None, line.home) and _minds_folder(line.text) else None
        task = [f"- name: {_scalar(_name(line.text))}", *_command(line.text, chdir), *(f"  {text}" for text in after)]
        return _Entry(line.host, tuple(comments), tuple(task))

    def _edited(self, line: Line, edits: Sequence[Edit]) -> _Entry:
        """Write the file as it was afterwards, with what changed as a comment."""
        self.tasks += 1
        comments = [f"FIXME: edited by hand ({_name(line.text)}); say it with a command such as sed. What changed:"]
        script = []
        for edit in edits:
            comments += [f"  {text}" for text in _diff(edit)]
            script.append(_written(edit.path, edit.after or ""))
        names = ", ".join(edit.path for edit in edits)
        task = [f"- name: {_scalar(_name(f'Write {names}'))}", *_command("\n".join(script), None)]
        return _Entry(line.host, tuple(comments), tuple(task))


def _written(path: str, text: str) -> str:
    """Return the shell's way to write *text* to *path*."""
    end = "END"
    while end in text.splitlines():
        end += "X"
    whole = text if text.endswith("\n") or not text else f"{text}\n"
    return f"cat > {shlex.quote(path)} << '{end}'\n{whole}{end}"


def _unplayable(line: Line) -> str | None:
    """Return why a line cannot be played again, or None."""
    words = line.text.split()
    program = words[0].rsplit("/", 1)[-1]
    programs = {ran.program for ran in _parsed(line.text)} | {program}
    if line.status in (126, 127):
        return "it did not run"
    if programs & _PROGRAMS["editors"] or _EDITS.search(line.text):
        return "nothing was changed" if line.edits else "an editor cannot be played again"
    if programs & _PROGRAMS["screens"]:
        return "it needs a screen (cat, or the like, shows the same)"
    if _FOLLOWS.search(line.text):
        return "it shows what comes, and does not end"
    if line.status in (130, 148):
        return "it was interrupted"
    if program == "read" or (program in _PROGRAMS["prompts"] and len(words) == 1):
        return "it reads from the terminal"
    if _STATE.match(line.text):
        return "it changed the shell, and each task has one of its own"
    if line.text.endswith("&") and not line.text.endswith("&&"):
        return "it ran in the background"
    return None


@cache
def _parsed(text: str) -> tuple[Ran, ...]:
    # The grammar's scanner looks characters up in tables that end before these: it would crash the process.
    return parse(_FAR.sub("\ufffd", text))


def _looks(text: str) -> bool:
    """Say whether *text* only looks, as rules with ``read_only`` see it."""
    patterns = [compile_command_pattern(pattern) for pattern in READ_ONLY]
    ran = [each for each in _parsed(text) if not each.inner]
    return bool(ran) and all(any(pattern.match(each.text) for pattern in patterns) for each in ran)


def _minds_folder(text: str) -> bool:
    """Say whether *text* may do something else in another folder."""
    ran = _parsed(text)
    return not ran or re.search(r"<\s*[^/<\s&(]", text) is not None or any(_in_a_folder(each) for each in ran)


def _in_a_folder(ran: Ran) -> bool:
    if any(not file.startswith("/") for file in ran.writes):
        return True
    if ran.program in _PROGRAMS["anywhere"]:
        return False
    paths = [word for word in ran.words[1:] if not word.startswith("-")]
    return not paths or any(not path.startswith("/") for path in paths)


def _command(text: str, chdir: str | None) -> list[str]:
    first = text.split(maxsplit=1)[0]
    shell = _NEEDS_SHELL.search(text) is not None or first in _PROGRAMS["of the shell"]
    bash = shell and _BASH.search(text) is not None
    module = "ansible.builtin.shell" if shell else "ansible.builtin.command"
    if not (chdir or bash or _JINJA.search(text) or _FREE_FORM.search(text)):
        return [f"  {first_line}" for first_line in _field(module, text, 0)]
    lines = [f"  {module}:", *_field("cmd", text, 4)]
    if chdir:
        lines += _field("chdir", chdir, 4)
    if bash:
        lines.append("    executable: /bin/bash")
    return lines


def _field(name: str, text: str, indent: int) -> list[str]:
    """Return ``name: text`` as YAML, several lines as a block; what looks like Jinja is kept from Ansible."""
    blank = " " * indent
    tag = "!unsafe " if _JINJA.search(text) else ""
    if "\n" in text:
        mark = "|" if text.endswith("\n") else "|-"
        lines = [f"  {line}" if line else "" for line in text.removesuffix("\n").split("\n")]
        if _reads(f"{mark}\n" + "\n".join(lines) + "\n") == text:
            return [f"{blank}{name}: {tag}{mark}", *(f"{blank}{line}" if line else "" for line in lines)]
    return [f"{blank}{name}: {tag}{_scalar(text)}"]


def _reads(text: str) -> object:
    try:
        return yaml.safe_load(f"it: {text}")["it"]
    except yaml.YAMLError:
        return None


def _scalar(text: str) -> str:
    dumped: str = yaml.safe_dump(text, width=1_000_000, allow_unicode=True, default_style='"' if "\n" in text else None)
    return dumped.removesuffix("\n").removesuffix("\n...")


def _name(text: str) -> str:
    one = " ".join(text.replace("{", "(").replace("}", ")").split())
    return one if len(one) <= 72 else f"{one[:71]}…"


def _diff(edit: Edit) -> Iterator[str]:
    if edit.before is None:
        yield f"(how {edit.path} was is not known)"
        return
    before, after = (text.splitlines() for text in (edit.before, edit.after or ""))
    found = difflib.unified_diff(before, after, edit.path, edit.path, n=1, lineterm="")
    yield from found
