"""Files below the roots: kind, mode, owner, content, target, capabilities, ACLs, attributes. No times."""
# pathlib takes longer to import than all of this to run:
# ruff: noqa: PTH115, PTH116, PTH118

from __future__ import annotations

import os
import stat
from fcntl import ioctl

from pytest_2501bench.host_state.on_host.ground import clean, digest, fingerprint, lines, users_by_id, words_of

BIG = 8 << 20  # bytes: of larger files only size and time tell whether the content is the same
_FLAGS = 0x80086601  # FS_IOC_GETFLAGS
_KEPT = 0x30  # append only, immutable
_ATTRIBUTES = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
# Not a disk's: nothing in them is anybody's file. Those of a network may hang.
_PSEUDO = words_of(
    "proc sysfs devtmpfs devpts cgroup cgroup2 mqueue debugfs tracefs securityfs pstore bpf binfmt_misc configfs "
    "fusectl hugetlbfs autofs rpc_pipefs nsfs efivarfs selinuxfs nfs nfs4 cifs smb3 9p ceph glusterfs"
)
# What programs leave when they are merely used. Names, wherever they are.
_VOLATILE = words_of(
    ".ansible .ansible_async .bash_history .sh_history .ash_history .zsh_history .lesshst .viminfo .python_history "
    ".psql_history .mysql_history .mariadb_history .sqlite_history .rediscli_history .dbshell .node_repl_history "
    ".mongorc.js .wget-hsts .cache .sudo_as_admin_successful .selected_editor known_hosts known_hosts.old __pycache__ "
    ".nano"
)
# What the system writes by itself, or next to something that is compared under another kind.
_OWN = words_of(
    "/etc/.pwd.lock /etc/.updated /etc/adjtime /etc/aliases.db /etc/ld.so.cache /etc/mtab /etc/passwd- /etc/shadow- "
    "/etc/group- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.resolv.conf.systemd-resolved.bak"
)
# Accounts are a kind of their own, and subordinate ids come with them; here, only whose they are and who may read them.
_TOLD_ELSEWHERE = words_of("/etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid")
_CRON = (
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/var/spool/cron",
)
_CRON_FILES = frozenset(("/etc/crontab", "/etc/anacrontab"))
_RUN_LEVELS = tuple("/etc/rc%s.d" % level for level in "0123456S")  # noqa: UP031 - Python 3.7 on the host may read it
_UNITS = "/etc/systemd/system/"


class Walk:
    """Goes through the roots, at most *most* files."""

    def __init__(self, most: int) -> None:
        self.found: dict[str, str] = {}
        self.cut = False
        self._most = most
        self._users = users_by_id("/etc/passwd")
        self._groups = users_by_id("/etc/group")
        self._closed = {
            parts[4] for parts in (line.split() for line in lines("/proc/self/mountinfo")) if _pseudo(parts)
        }

    def add(self, root: str) -> None:
        """Look at *root* and everything below it."""
        root = os.path.normpath(root)
        try:
            status = os.lstat(root)
            if stat.S_ISLNK(status.st_mode):  # a root that is a link stands for what it leads to
                self.found[clean(root)] = self._of(root, status)
                status = os.stat(root)
            else:
                self._enter(root, status)
        except OSError:
            return
        folders = [root] if stat.S_ISDIR(status.st_mode) else []
        while folders:
            folders += self._folder(folders.pop())

    def _folder(self, folder: str) -> list[str]:
        """Look at what is in a folder, and return the folders in it."""
        inner: list[str] = []
        if folder in self._closed:
            return inner
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - see above
        except OSError:
            return inner
        for name in names:
            path = os.path.join(folder, name)
            if len(self.found) >= self._most:
                self.cut = True
                return inner
            try:
                status = os.lstat(path)
                if self._enter(path, status) and stat.S_ISDIR(status.st_mode):
                    inner.append(path)
            except OSError:  # gone meanwhile
                continue
        return inner

    def _enter(self, path: str, status: os.stat_result) -> bool:
        name = path.rpartition("/")[2]
        if name in _VOLATILE or name.endswith(".pyc") or path in _OWN or path in _CRON_FILES:
            return False
        if path.startswith(_CRON) or path.startswith(_RUN_LEVELS) or _starts_a_unit(path, status):
            return False
        self.found[clean(path)] = self._of(path, status)
        return True

    def _of(self, path: str, status: os.stat_result) -> str:
        mode = status.st_mode
        if stat.S_ISLNK(mode):
            told: list[tuple[str, object]] = [("link", clean(os.readlink(path)))]
        elif stat.S_ISREG(mode):
            told = [("mode", "%04o" % stat.S_IMODE(mode))]  # noqa: UP031
        else:
            told = [(_kind(mode), ""), ("mode", "%04o" % stat.S_IMODE(mode))]  # noqa: UP031
        user = self._users.get(status.st_uid, status.st_uid)
        group = self._groups.get(status.st_gid, status.st_gid)
        told.append(("owner", f"{user}:{group}"))
        if stat.S_ISREG(mode) and path not in _TOLD_ELSEWHERE:
            told += _content(path, status)
        if not stat.S_ISLNK(mode):
            told += _extended(path)
        return fingerprint(told)


def _pseudo(parts: list[str]) -> bool:
    kind = parts[parts.index("-") + 1]
    return kind in _PSEUDO or kind.startswith("fuse.")


def _starts_a_unit(path: str, status: os.stat_result) -> bool:
    """Say whether this link only says that a unit is enabled or masked, which is told of the unit."""
    if not path.startswith(_UNITS) or not stat.S_ISLNK(status.st_mode):
        return False
    name = path[len(_UNITS) :]
    if "@" in name or name == "default.target":
        return False
    return name.count("/") == 0 or name.split("/")[0].endswith((".wants", ".requires"))


def _kind(mode: int) -> str:
    for test, word in ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket")):
        if test(mode):
            return word
    return "device"


def _content(path: str, status: os.stat_result) -> list[tuple[str, object]]:
    if status.st_size > BIG:
        return [("content", digest(b"%d %d" % (status.st_size, status.st_mtime_ns)))]
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return [("content", "unreadable")]
    try:
        flags = _flags(number)
        content = os.read(number, BIG + 1)
        told: list[tuple[str, object]] = [("content", digest(content))]
        return [*told, ("attributes", flags)] if flags else told
    except OSError:
        return [("content", "unreadable")]
    finally:
        os.close(number)


def _flags(number: int) -> str:
    try:
        value = int.from_bytes(ioctl(number, _FLAGS, bytes(8))[:4], "little") & _KEPT
    except OSError:  # the file system has none
        return ""
    return {0x10: "i", 0x20: "a", 0x30: "ai"}.get(value, "")


def _extended(path: str) -> list[tuple[str, object]]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return [
            (name.rpartition(".")[2], digest(os.getxattr(path, name, follow_symlinks=False)))
            for name in _ATTRIBUTES
            if name in names
        ]
    except OSError:
        return []
