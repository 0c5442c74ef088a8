"""What belongs to us in Lima: per sandbox (or build) a row in the ledger and a directory that names its instances.

Row and directory come before the first call of limactl, and go after the last instance, so that whoever finds them can
finish a removal that was interrupted anywhere.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_2501bench.sandbox.ledger import Ledger
from pytest_2501bench.sandbox.lima.leftovers import end_noted, exit_master
from pytest_2501bench.sandbox.lima.limactl import Limactl, LimactlError, lima_home

MODE: Final = "lima"
DELETE_SECONDS: Final = 180.0


class Holdings:
    """All of one ``LIMA_HOME``, below *state*."""

    def __init__(self, limactl: Limactl, state: Path, session: str) -> None:
        self.limactl = limactl
        self.state = state
        self.ledger = Ledger(state / "ledger")
        self._session = session

    def directory(self, name: str) -> Path:
        """Return where the files of holding *name* are."""
        return self.state / "sandboxes" / name

    def calls(self, name: str) -> Path:
        """Return where running calls for *name* are noted."""
        return self.directory(name) / "calls"

    def log(self, name: str) -> Path:
        """Return the file with all that limactl said about *name*."""
        return self.directory(name) / "limactl.log"

    def begin(self, name: str, instances: Sequence[str]) -> Path:
        """Claim *instances*, which are not there yet; return the directory, which is for this user only."""
        self.ledger.add(MODE, name, self._session)
        directory = self.directory(name)
        directory.mkdir(parents=True, mode=0o700)
        (directory / "instances.json").write_text(json.dumps(list(instances)), encoding="utf-8")
        self.calls(name).mkdir()
        return directory

    def instances(self, name: str) -> list[str]:
        """Return the instances of holding *name*, made or not."""
        try:
            return [str(one) for one in json.loads((self.directory(name) / "instances.json").read_text("utf-8"))]
        except (OSError, ValueError):
            return []  # the row was written and nothing else: nothing was made

    def delete_instances(self, names: Sequence[str], log: Path) -> str:
        """Delete *names*, in whatever state they are; return what is left, or an empty string."""
        home = lima_home()
        there = [name for name in names if (home / name).exists()]
        for name in there:
            # An instance without lima.yaml, a clone that was interrupted, does not exist for limactl. But it is there,
            # and up to Lima 2.1 it makes every start and delete fail.
            if not (home / name / "lima.yaml").exists():
                shutil.rmtree(home / name, ignore_errors=True)
        whole = [name for name in there if (home / name).exists()]
        for name in whole:
            exit_master(home / name)
        if whole:
            try:
                self.limactl.change("delete", "-f", *whole, log=log, calls=None, seconds=DELETE_SECONDS)
            except LimactlError as error:
                # Deleting comes first; then it looks at the networks of all others, and one of those may be in the way.
                left = [name for name in whole if (home / name).exists()]
                return f"{', '.join(left)}: {error}" if left else ""
        return ", ".join(str(home / name) for name in there if (home / name).exists())

    def clear(self, name: str) -> str:
        """Delete the instances of holding *name*, which is kept; return what is left, or an empty string."""
        return self.delete_instances(self.instances(name), self.log(name))

    def remove(self, name: str) -> str:
        """Delete the instances of holding *name* and forget it; return what is left, or an empty string."""
        directory = self.directory(name)
        if directory.exists():
            end_noted(self.calls(name))
            left = self.clear(name)
            if left:
                return left
        return self.release(name)

    def release(self, name: str) -> str:
        """Forget holding *name*; its instances stay. Return what is left of its directory."""
        directory = self.directory(name)
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            return str(directory)
        self.ledger.remove(name)
        return ""
