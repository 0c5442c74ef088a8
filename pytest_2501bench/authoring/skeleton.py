"""A first draft of a scenario: small, but whole, so that its author begins from something that runs."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.scenario.crosscheck import MOST_HOSTS
from pytest_2501bench.scenario.model import Kind

FOLDER: Final = Path(__file__).parent / "skeletons"
_SHARED: Final = ("prepare.yml", "restore.yml")
_WORD: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NUMBERED: Final = re.compile(r"(\d{3,})-(.+)")
_PREPARE_NAMES: Final = {
    Kind.REMEDIATION: "A parts list goes down after an edit of its configuration",
    Kind.INVESTIGATION: "A parts list goes down after an edit of its configuration",
    Kind.CONTROL: "A parts list at work, and a line in the log",
    Kind.REFUSAL: "A parts list, and who may change what is in it",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written.

    Attributes:
        category: the folder of scenarios that it belongs to.
        name: of the scenario's folder, behind its number.
        title: None makes one of the name.
        hosts: how many; the first one has the service, the others use it.
    """

    category: str
    name: str
    kind: Kind = Kind.REMEDIATION
    title: str | None = None
    hosts: int = 1

    @classmethod
    def named(cls, words: str, *, kind: Kind, title: str | None, hosts: int) -> Draft:
        """Return a draft for ``CATEGORY/NAME``.

        Raises:
            BenchError: ``option_invalid``: no such name, or number of hosts.
        """
        category, slash, name = words.partition("/")
        if not slash or "/" in name or not _WORD.fullmatch(category) or not _WORD.fullmatch(name):
            why = (
                "must be CATEGORY/NAME, each of lower-case letters, digits and single dashes, such as nginx/slow-start"
            )
            raise BenchError(Cause.OPTION_INVALID, f"'{words}' {why}.")
        if _NUMBERED.fullmatch(name):
            raise BenchError(
                Cause.OPTION_INVALID, f"'{words}': leave the number out; the next free one is put in front."
            )
        if not 1 <= hosts <= MOST_HOSTS:
            raise BenchError(Cause.OPTION_INVALID, f"--hosts {hosts}: must be from 1 to {MOST_HOSTS}.")
        return cls(category, name, kind, title, hosts)


def write(draft: Draft, scenarios: Path) -> Path:
    """Write *draft* below the folder *scenarios* under the next free number; return its folder.

    Raises:
        BenchError: ``option_invalid``: the category has one of that name, or it cannot be written.
    """
    category = scenarios / draft.category
    numbers = [0]
    for path in category.glob("*"):
        if (found := _NUMBERED.fullmatch(path.name)) is None:
            continue
        numbers.append(int(found[1]))
        if found[2] == draft.name:
            raise BenchError(Cause.OPTION_INVALID, f"{draft.category}/{draft.name}: is there already: {path}.")
    number = max(numbers) + 1
    folder = category / f"{number:03d}-{draft.name}"
    files = _files(draft, f"{draft.category}-{number:03d}-{draft.name}")
    try:
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        shutil.copytree(FOLDER / "shared" / "files", folder / "files", ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        raise BenchError(Cause.OPTION_INVALID, f"{folder}: cannot be written: {error.strerror}.") from None
    return folder


def _files(draft: Draft, key: str) -> dict[str, str]:
    # Signs of its own: "{{ }}" is Ansible's, and stays.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the results are YAML and JSON
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    values = {
        "key": key,
        "title": draft.title or draft.name.replace("-", " ").capitalize(),
        "kind": draft.kind.value,
        "hosts": draft.hosts,
        "desks": [f"desk-{number:02d}" for number in range(2, draft.hosts + 1)],
        "prepare_name": _PREPARE_NAMES[draft.kind],
    }
    names = {name: f"shared/{name}.j2" for name in _SHARED}
    names |= {path.name.removesuffix(".j2"): f"{draft.kind}/{path.name}" for path in (FOLDER / draft.kind).glob("*.j2")}
    return {name: environment.get_template(template).render(values) for name, template in sorted(names.items())}
