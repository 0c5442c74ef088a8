"""Is a playbook readable YAML with plays in it? A quick look; Ansible's own check takes far longer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Knows Ansible's own tags (``!vault``, ``!unsafe``) as what they are: strings."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))


def yaml_problem(path: Path, root: Path | None = None) -> str | None:
    """Return ``file:line:column: what is wrong``, or None.

    Args:
        path: the playbook.
        root: show the path relative to this folder.
    """
    shown = path.relative_to(root) if root is not None and path.is_relative_to(root) else path
    try:
        plays: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        return f"{shown}{where}: {exc.problem or exc.context}."
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        return f"{shown}: cannot be read: {exc}."
    if not isinstance(plays, list) or not plays:
        return f"{shown}: a playbook is a list of plays ('- hosts: all')."
    for number, play in enumerate(plays, start=1):
        if not isinstance(play, dict):
            return f"{shown}: play {number} is not a mapping with 'hosts' and 'tasks'."
        if not {"hosts", "import_playbook", "ansible.builtin.import_playbook"} & play.keys():
            return f"{shown}: play {number} has no 'hosts'."
    return None
