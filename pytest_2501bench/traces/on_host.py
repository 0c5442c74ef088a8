"""Runs on a host, sent over SSH to the standard input of its Python, under no name; never imported by us.

Python 3.7 or later, and only modules that are built in: a start must not cost more than a few milliseconds. ``main``
prints one dict (in ASCII; read by ``ast.literal_eval``):

- ``survey``: ``had``, what of Ansible's is there before we begin; ``logs``, the size of each text log; ``processes``.
- ``scrub``: removes what Ansible left since. ``removed``; ``busy``, what a process still uses; ``failed``, each with a
  reason; ``processes``, all that runs.
- ``look``: ``processes`` that run and did not before, with their kind (:func:`kinds_of`), and whether they were ended.
"""
# pathlib takes longer to import than all of this to run, and printing is how it answers:
# ruff: noqa: PTH106, PTH108, PTH112, PTH114, PTH115, PTH116, PTH123, PTH208, T201

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False  # typing is not imported for the sake of annotations
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - where Ansible's modules unpack themselves
LOGS = ("syslog", "messages", "auth.log", "secure", "user.log", "daemon.log")
# What Ansible and the sudo calls of Ansible write to a log, and nobody else.
MARKS = (b"BECOME-SUCCESS-", b"AnsiballZ_", b": Invoked with ", b"/.ansible/tmp/")
GRACE = 1.0  # seconds between SIGTERM and SIGKILL
CHUNK = 1 << 20


def main(what: str, *asked: Any) -> None:
    """Do what is asked, and print the answer."""
    tasks: dict[str, Callable[..., object]] = {"survey": survey, "scrub": scrub, "look": look}
    print(ascii(tasks[what](*asked)))


class Process:
    """One process as /proc has it."""

    __slots__ = ("parent", "started", "words")

    def __init__(self, parent: int, started: str, words: str) -> None:
        self.parent = parent
        self.started = started
        self.words = words  # its command line, separated by NUL


# ---- what Ansible leaves ------------------------------------------------------------------------------------------


def leftovers() -> list[str]:
    """Return the paths that only Ansible makes, what is in a folder before the folder."""
    found = []
    for place in TEMPORARY:
        for name in listing(place):
            unpacked = name.startswith("ansible_") and "_payload_" in name
            if unpacked or name == ".ansible" or name.startswith("ansible-tmp-"):
                found.append(place + "/" + name)
    for home in homes():
        found += [home + "/.ansible/tmp/" + name for name in listing(home + "/.ansible/tmp")]
        found += [home + "/.ansible_async", home + "/.ansible/tmp", home + "/.ansible/cp", home + "/.ansible"]
    return [path for path in found if os.path.lexists(path)]


def homes() -> list[str]:
    """Return every home directory: with become_user, Ansible's files lie in that user's."""
    with open("/etc/passwd", errors="surrogateescape") as table:
        return sorted(
            {fields[5] for fields in (line.split(":") for line in table) if len(fields) > 6 and fields[5] > "/"}
        )


def listing(directory: str) -> list[str]:
    """Return the names in a directory; none if it cannot be read."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def survey() -> dict[str, object]:
    """Say what is there before we begin: that is not ours."""
    sizes = {}
    for name in LOGS:
        try:
            sizes["/var/log/" + name] = os.stat("/var/log/" + name).st_size
        except OSError:
            continue
    return {"had": leftovers(), "logs": sizes, "processes": names_of(processes())}


def scrub(keep: list[str], logs: dict[str, int]) -> dict[str, object]:
    """Remove what Ansible left since the survey."""
    removed, busy = [], []
    failed: list[tuple[str, str]] = []
    table = without_idle_watchers(processes())
    in_use = "\0".join(process.words for process in table.values())
    for path in leftovers():
        # Something else may lie in ~/.ansible (roles, collections) or be in use: only an empty folder is a trace.
        shared = path.endswith(("/.ansible", "/.ansible/tmp")) and not path.startswith(TEMPORARY)
        if path in keep or (shared and listing(path)):
            continue
        if path in in_use:
            busy.append(path)
            continue
        try:
            remove(path)
            removed.append(path)
        except OSError as error:
            failed.append((path, str(error.strerror)))
    for name in LOGS:
        path = "/var/log/" + name
        try:
            if clean(path, logs.get(path, 0)):
                removed.append(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            failed.append((path, str(error.strerror)))
    return {"removed": removed, "busy": busy, "failed": failed, "processes": names_of(table)}


def names_of(table: dict[int, Process]) -> list[tuple[int, str]]:
    """Return what tells each process from a later one with its pid."""
    return [(pid, process.started) for pid, process in table.items()]


def without_idle_watchers(table: dict[int, Process]) -> dict[int, Process]:
    """End the watchers of async tasks whose program is over: they would sleep for seconds yet, with files in use."""
    parents = {process.parent for process in table.values()}
    idle = [pid for pid, process in table.items() if "/async_wrapper.py\0" in process.words and pid not in parents]
    end(idle, table)
    return {pid: process for pid, process in table.items() if pid not in idle}


def remove(path: str) -> None:
    """Remove a file or a tree, no links followed."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    for folder, folders, names in os.walk(path, topdown=False):
        for name in names:
            os.unlink(folder + "/" + name)
        for name in folders:
            inner = folder + "/" + name
            if os.path.islink(inner):
                os.unlink(inner)
            else:
                os.rmdir(inner)
    os.rmdir(path)


def clean(path: str, start: int) -> bool:
    """Take our lines out of a text log, behind byte *start*; say whether there were any. The others stay."""
    with open(path, "r+b") as log:
        log.seek(start)
        tail = log.read()
        if not any(mark in tail for mark in MARKS):
            return False
        kept = [line for line in tail.splitlines(keepends=True) if not any(mark in line for mark in MARKS)]
        late = log.read()  # what was written meanwhile: the writer has the file open and goes on at its end
        log.seek(start)
        log.write(b"".join(kept) + late)
        log.truncate()
    return True


# ---- what runs ----------------------------------------------------------------------------------------------------


def processes() -> dict[int, Process]:
    """Return every process that has a command line (the kernel's own have none), by pid."""
    table = {}
    for name in listing("/proc"):
        if not name.isdigit():
            continue
        try:
            stat = read("/proc/" + name + "/stat")
            words = read("/proc/" + name + "/cmdline").rstrip("\0")
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if words and fields[0] not in "ZX":
            table[int(name)] = Process(int(fields[1]), fields[19], words)
    return table


def read(path: str) -> str:
    """Return a small file's text."""
    with open(path, errors="surrogateescape") as file:
        return file.read()


def lineage(pid: int, table: dict[int, Process]) -> list[int]:
    """Return *pid* and its ancestors, nearest first."""
    line = []
    while pid in table and pid not in line:
        line.append(pid)
        pid = table[pid].parent
    return line


def is_login(process: Process) -> bool:
    """Say whether this is sshd at one connection; the daemon that listens is not."""
    words = process.words
    return words.startswith(("sshd: ", "sshd-session: ")) and "[listener]" not in words


def is_sshd(process: Process) -> bool:
    """Say whether this is sshd, at a connection or the daemon that listens."""
    return process.words.startswith(("sshd", "/usr/sbin/sshd"))


def is_service(pid: int) -> bool:
    """Say whether systemd runs it as a service; what a login starts is in the login's scope or in sshd's own."""
    try:
        groups = read(f"/proc/{pid}/cgroup")
    except OSError:
        return False
    own = groups.strip().rpartition("\n")[2].rpartition("::")[2].split("/")
    units = [part for part in own if part.endswith(".service")]
    return bool(units) and units[-1] not in ("ssh.service", "sshd.service") and not units[-1].startswith("ssh@")


def kinds_of(fresh: set[int], table: dict[int, Process]) -> dict[int, str]:
    """Tell apart: ``open`` (its login is there), ``attached`` (its login is gone, its output went there), or neither.

    ``detached`` are those whose output goes elsewhere, and those that listen on a socket: daemons, however carelessly
    they were started. One whose output only attached ones read (``make | tee log``) is attached through them.

    What a program started that was there before (somebody's build, a supervisor) is none of the agent's, wherever it
    writes to: detached, too.
    """
    kinds = dict.fromkeys(fresh, "detached")
    writes: dict[int, set[str]] = {}
    reads: dict[int, set[str]] = {}
    for pid in fresh:
        line = lineage(pid, table)
        if any(is_login(table[ancestor]) for ancestor in line[1:]):
            kinds[pid] = "open"
        elif not is_of_others(line, fresh, table) and not any(listens(one) for one in line if one in fresh):
            writes[pid] = {where for where, _ in files(pid, ("1", "2"))}
        reads[pid] = {where for where, readable in files(pid) if readable}
    while True:
        lost = []
        for pid, ends in writes.items():
            others = [reads[one] for one in fresh if one != pid and kinds[one] != "attached"]
            pipes = {where for where in ends if where.startswith("pipe:")}
            if pipes.difference(*others) or any(where.startswith("/dev/pts/") for where in ends):
                lost.append(pid)
        if not lost:
            return kinds
        for pid in lost:
            kinds[pid] = "attached"
            del writes[pid]


def is_of_others(line: list[int], fresh: set[int], table: dict[int, Process]) -> bool:
    """Say whether something started this that was there before; whoever loses its login becomes a child of init's."""
    parent = next((pid for pid in line if pid not in fresh), 1)
    return parent != 1 and not is_sshd(table[parent])


def files(pid: int, only: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
    """Return (target, whether opened for reading only) of a process's open files."""
    folder = f"/proc/{pid}/fd"
    found = []
    for name in only or listing(folder):
        try:
            where = os.readlink(folder + "/" + name)
            flags = int(read(f"/proc/{pid}/fdinfo/{name}").split("flags:")[1].split()[0], 8)
        except (OSError, IndexError, ValueError):
            continue
        found.append((where, flags & 3 == 0))
    return found


LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


def listens(pid: int) -> bool:
    """Say whether a process has a socket that waits for others."""
    sockets = {where[8:-1] for where, _ in files(pid) if where.startswith("socket:[")}
    if not sockets:
        return False
    for name, state in LISTENING.items():
        rows = [line.split() for line in rows_of(pid, name)]
        if any(row[9] in sockets for row in rows if len(row) > 9 and row[3] == state):
            return True
    rows = [line.split() for line in rows_of(pid, "unix")]
    return any(row[6] in sockets for row in rows if len(row) > 6 and int(row[3], 16) & 0x10000)


def rows_of(pid: int, name: str) -> list[str]:
    """Return the rows of a table of sockets, as the process sees it."""
    try:
        return read(f"/proc/{pid}/net/{name}").splitlines()[1:]
    except OSError:
        return []


def look(known: list[list[Any]], to_end: list[str]) -> dict[str, object]:
    """Tell apart what runs since the scrub, and end what is asked to be ended."""
    table = processes()
    before = {(pid, started) for pid, started in known}
    own = lineage(os.getpid(), table)
    ours = {
        pid for pid in table if any(ancestor in own and is_login(table[ancestor]) for ancestor in lineage(pid, table))
    }
    ours.update(own)
    others = [pid for pid, process in table.items() if pid not in ours and (pid, process.started) not in before]
    logins = [pid for pid in others if is_login(table[pid])]
    daemons = [pid for pid in others if is_sshd(table[pid])]
    fresh = {pid for pid in others if pid not in daemons and not is_service(pid)}
    kinds = kinds_of(fresh, table)
    doomed = [pid for pid in sorted(fresh) if kinds[pid] in to_end]
    end(doomed + (logins if "open" in to_end else []), table)
    return {
        "processes": [[pid, kinds[pid], pid in doomed, shown(table[pid].words)] for pid in sorted(fresh)],
        "logins": len(logins),
    }


def shown(words: str) -> str:
    """Return the first two words of a command line: enough to know it by, too little to hold a secret."""
    return " ".join(words.replace("\n", " ").split("\0")[:2])[:80]


def end(pids: list[int], table: dict[int, Process]) -> None:
    """Ask the processes to end, then make them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a stopped one would not hear it
            except OSError:
                continue
        until = time.monotonic() + GRACE
        while pids and time.monotonic() < until:
            now = processes()
            pids = [pid for pid in pids if pid in now and now[pid].started == table[pid].started]
            if pids:
                time.sleep(0.01)
        if not pids:
            return


if __name__ == "__main__":  # what is sent has its own call of main in place of this
    main("look", [], [])
