"""The part of search_for_traces.py that runs on a host; its words come in base64, so that it does not find itself."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

COMMANDS = (
    "journalctl --no-pager -o export",
    "last -w; lastlog; dmesg",
    "crontab -l; systemctl list-units --all --no-pager",
    "env; ps -eo args; hostname -f",
    "cat /root/.*history /root/.lesshst",
)
OF_A_PROCESS = ("cmdline", "environ", "comm", "cgroup", "mountinfo", "stat", "cwd", "exe", "root")


def output(command: str) -> bytes:
    return subprocess.run(command, shell=True, capture_output=True, check=False).stdout


class Search:
    def __init__(self, everywhere: list[str], changed: list[str]) -> None:
        self.everywhere = [word.encode() for word in everywhere]
        self.both = [*self.everywhere, *(word.encode() for word in changed)]
        self.found: list[str] = []
        self.files = 0

    def look(self, where: str, data: bytes, words: list[bytes]) -> None:
        self.found += [f"{where}: {word.decode()}" for word in words if word in data]

    def tree(self, top: Path) -> None:
        """Names and contents; the journal's own files are for journalctl, as far as our tooling's words go."""
        boot = Path("/proc/1").stat().st_mtime - 1
        device = top.lstat().st_dev
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if Path(folder, name).lstat().st_dev == device]
            for path in (Path(folder, name) for name in [*names, *folders]):
                about = path.lstat()
                young = max(about.st_ctime, about.st_mtime) > boot and "journal" not in path.parts
                words = self.both if young else self.everywhere
                self.look(f"name {path}", str(path).encode(), words)
                if stat.S_ISLNK(about.st_mode):
                    self.look(f"link {path}", str(path.readlink()).encode(), words)
                elif stat.S_ISREG(about.st_mode):
                    if not young and folder.startswith("/usr/"):
                        continue  # as Debian made it
                    self.files += 1
                    self.look(f"file {path}", path.read_bytes(), words)

    def processes(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            for path in [*(process / name for name in OF_A_PROCESS), *process.glob("fd/*")]:
                with contextlib.suppress(OSError):
                    data = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
                    self.look(str(path), data, self.both)


def main(encoded: str) -> None:
    words = json.loads(base64.b64decode(encoded))
    search = Search(words["everywhere"], words["changed"])
    for top in ("/", "/run", "/dev/shm"):
        search.tree(Path(top))
    search.processes()
    for command in COMMANDS:
        search.look(command, output(command), search.both)
    running = output("ps -eo args").decode().splitlines()
    answer = {
        "found": search.found,
        "files": search.files,
        "logins": sum(line.startswith("sshd: ") for line in running),
        "kept": {
            "journal": b"upstream refused" in output("journalctl --no-pager -o cat"),
            "log": Path("/var/log/shop.log").read_text(),
            "program": "sleep 4321" in running,
            "config": Path("/root/.config/shop").exists(),
        },
    }
    sys.stdout.write(json.dumps(answer))
