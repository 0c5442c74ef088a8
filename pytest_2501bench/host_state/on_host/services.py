"""What runs and who may reach it: units, listeners, the firewall."""
# pathlib takes longer to import than all of this to run:
# ruff: noqa: PTH112, PTH115

from __future__ import annotations

import os
import time

from pytest_2501bench.host_state.on_host.ground import Program, clean, fingerprint, lines, listing, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES = (".service", ".socket", ".timer", ".path")
_PLACES = (  # of unit files; the first that has one wins
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)
_CHOSEN = _PLACES[:2]  # where links say what starts by itself
_SHOW = "Id,Type,ActiveState,SubState,LoadState,FragmentPath,RemainAfterExit,BusName,TriggeredBy,Job"
# Of logins and terminals.
_PASSING = ("user@", "user-runtime-dir@", "ssh@", "sshd@", "getty@", "serial-getty@", "container-getty@", "autovt@")
_LEVELS = "2345"
SETTLE = 2.0  # seconds that a host that still boots is waited for


class Units:
    """The units of systemd, or the scripts of a host without it. Starts a program at once, reads it later.

    What starts by itself is read from the links that say so: asked for that, systemd works for a third of a second.
    """

    def __init__(self) -> None:
        self._systemd = os.path.isdir("/run/systemd/system")
        self._shown = self._ask()

    def _ask(self) -> Program:
        words = ("systemctl", "show", "--no-pager", "--property=" + _SHOW, *("*" + kind for kind in _TYPES))
        return Program(*words) if self._systemd else Program("")

    def found(self) -> dict[str, str]:
        """Return of each unit whether it starts at boot, and whether it is active."""
        scripts = _scripts()
        if not self._systemd:
            return {clean(name): fingerprint([("boot", levels)]) for name, levels in scripts.items()}
        until = time.monotonic() + SETTLE
        loaded = list(_blocks(self._shown.output()))
        while any(unit.get("Job", "0") not in ("", "0") for unit in loaded) and time.monotonic() < until:
            time.sleep(0.1)
            self._shown = self._ask()
            loaded = list(_blocks(self._shown.output()))
        starts = _unit_files(scripts)
        states = {}
        for unit in loaded:
            name = unit.get("Id", "")
            if unit.get("LoadState") in ("loaded", "masked"):
                states[name] = _state(unit, starts.get(name, ""))
                if states[name] != "inactive":
                    starts.setdefault(name, "never")  # an instance of a template
        return {
            clean(name): fingerprint(
                [("boot", boot), *([] if "@." in name else [("state", states.get(name, "inactive"))])]
            )
            for name, boot in sorted(starts.items())
            if not name.startswith(_PASSING)
        }


def _unit_files(scripts: dict[str, str]) -> dict[str, str]:
    """Return of each unit file whether its unit is started at boot: enabled, never, masked, or run levels."""
    starts: dict[str, str] = {}
    wanted = set()
    for place in _PLACES:
        for name in listing(place):
            path = place + "/" + name
            if name.endswith((".wants", ".requires")) and place in _CHOSEN:
                wanted.update(listing(path))
            if not name.endswith(_TYPES):
                continue
            target = _target(path)
            if target == os.devnull:
                starts.setdefault(name, "masked")
            elif target.rpartition("/")[2] not in ("", name):  # a further name
                if place in _CHOSEN:
                    wanted.add(target.rpartition("/")[2])
            elif place == "/run/systemd/generator.late":
                starts.setdefault(name, scripts.get(name.rpartition(".")[0], "never"))
            else:
                starts.setdefault(name, "never")
    for name in wanted:
        if starts.get(name, "never") == "never" and name.endswith(_TYPES):
            starts[name] = "enabled"
    return starts


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _blocks(printed: list[str]) -> Iterator[dict[str, str]]:
    unit: dict[str, str] = {}
    for line in [*printed, ""]:
        name, sign, value = line.partition("=")
        if sign:
            unit[name] = value
        elif unit:
            yield unit
            unit = {}


def _state(unit: dict[str, str], boot: str) -> str:
    """Return active, exited, restarting, failed or inactive; inactive too where it says nothing of the host."""
    state, sub, triggers = unit.get("ActiveState", ""), unit.get("SubState", ""), unit.get("TriggeredBy", "")
    if unit.get("Type") == "oneshot" and unit.get("RemainAfterExit") != "yes":
        return "failed" if state == "failed" and ".timer" not in triggers else "inactive"
    if state == "failed":
        return "failed"
    if state not in ("activating", "active", "reloading"):
        return "inactive"
    if boot != "enabled" and (".socket" in triggers or ".path" in triggers or _only_asked(unit)):
        return "inactive"  # somebody asked it something, or has not for a while
    return "restarting" if sub.startswith("auto-restart") else "exited" if sub == "exited" else "active"


def _only_asked(unit: dict[str, str]) -> bool:
    """Say whether the bus starts the unit when somebody asks, and nothing else does."""
    return bool(unit.get("BusName")) and "[Install]" not in lines(unit.get("FragmentPath", ""))


def _scripts() -> dict[str, str]:
    """Return which of the scripts in /etc/init.d start by themselves, and at which run levels."""
    starts: dict[str, str] = {}
    for level in _LEVELS + "S":
        for name in listing(f"/etc/rc{level}.d"):
            if name[:1] == "S" and name[1:3].isdigit():
                starts[name[3:]] = starts.get(name[3:], "") + level
    for level in ("boot", "default"):  # OpenRC
        for name in listing(f"/etc/runlevels/{level}"):
            starts[name] = (starts[name] + "," if name in starts else "") + level
    names = [name for name in listing("/etc/init.d") if os.access("/etc/init.d/" + name, os.X_OK)]
    return {name: starts.get(name, "never") for name in names}


# ---- listeners ----------------------------------------------------------------------------------------------------


def listeners() -> dict[str, str]:
    """Return PROTOCOL:ADDRESS:PORT of what waits for others, with the name of the program behind it."""
    sockets: dict[str, str] = {}
    low = int((read("/proc/sys/net/ipv4/ip_local_port_range").split() or ["32768"])[0])
    for table, waits in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for row in (line.split() for line in lines("/proc/self/net/" + table)[1:]):
            if len(row) < 10 or row[3] != waits:
                continue
            address, _, port = row[1].partition(":")
            # A client of UDP, such as one that asks for names, waits on a port of chance.
            if table.startswith("udp") and (int(port, 16) >= low or row[2].strip("0") != ":"):
                continue
            sockets[row[9]] = f"{table[:3]}:{_address(address)}:{int(port, 16)}"
    programs: dict[str, set[str]] = {name: set() for name in sockets.values()}
    wanted = {f"socket:[{inode}]": name for inode, name in sockets.items()}
    for pid in listing("/proc") if wanted else []:
        if not pid.isdigit():
            continue
        for number in listing(f"/proc/{pid}/fd"):
            try:
                name = wanted.get(os.readlink(f"/proc/{pid}/fd/{number}"), "")
            except OSError:
                continue
            if name:
                programs[name].add(clean(read(f"/proc/{pid}/comm").strip()))
    return {name: fingerprint([("process", _program(found))]) for name, found in programs.items()}


def _program(found: set[str]) -> str:
    # systemd holds the socket too, of what it starts by it: whether that has been asked says nothing.
    return "systemd" if "systemd" in found else ",".join(sorted(found)) or "unknown"


def _address(text: str) -> str:
    words = [text[index : index + 8] for index in range(0, len(text), 8)]
    octets = b"".join(bytes.fromhex(word)[::-1] for word in words)  # as little-endian kernels keep them
    if len(octets) == 4:
        return ".".join(map(str, octets))
    if not any(octets):
        return "[::]"
    if octets[:12] == b"\0" * 10 + b"\xff\xff":
        return ".".join(map(str, octets[12:]))
    groups = [format(int.from_bytes(octets[index : index + 2], "big"), "x") for index in range(0, 16, 2)]
    return "[::1]" if groups == ["0"] * 7 + ["1"] else "[" + ":".join(groups) + "]"


# ---- the firewall -------------------------------------------------------------------------------------------------


class Firewall:
    """The rules of nftables and iptables, without counters."""

    def __init__(self) -> None:
        self._nft = Program("nft", "--stateless", "list", "ruleset")
        # Where there is nft it tells of iptables' rules too, except of those in the kernel's old tables.
        self._old = [
            self._saver("iptables", "/proc/net/ip_tables_names"),
            self._saver("ip6tables", "/proc/net/ip6_tables_names"),
        ]

    def _saver(self, name: str, tables: str) -> Program:
        if read(tables):
            old = Program(f"{name}-legacy-save")
            return old if old.exists else Program(f"{name}-save")
        return Program("" if self._nft.exists else f"{name}-save")

    def found(self) -> dict[str, str]:
        """Return the rules of each chain, as one text."""
        chains = _nft(self._nft.output())
        chains.update(_saved("ip", self._old[0].output()))
        chains.update(_saved("ip6", self._old[1].output()))
        return {
            clean(name): fingerprint([("rules", clean(" | ".join(rules)))] if rules else [])
            for name, rules in chains.items()
        }


def _nft(printed: list[str]) -> dict[str, list[str]]:
    chains: dict[str, list[str]] = {}
    table = ""
    current: list[str] | None = None
    elements = False
    for line in map(str.strip, printed):
        if line.startswith("table ") and line.endswith("{"):
            table = line[len("table ") : -1].strip()
            chains[table] = []
        elif current is None and line.endswith("{"):
            current = chains.setdefault(f"{table} {line[:-1].strip().partition(' ')[2] or line[:-1].strip()}", [])
        elif line == "}" and current is not None and not elements:
            current = None
        elif current is not None:
            # What a set holds comes and goes (who is banned for an hour); that it is there is the rule.
            elements = (elements or line.startswith("elements = {")) and not line.endswith("}")
            if line and not elements and not line.startswith("elements"):
                current.append(line)
    return chains


def _saved(family: str, printed: list[str]) -> dict[str, list[str]]:
    chains: dict[str, list[str]] = {}
    table = ""
    for line in printed:
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            chain, policy = line[1:].split(" ")[:2]
            if policy != "-":
                chains.setdefault(f"{family} {table} {chain}", []).insert(0, f"policy {policy.lower()}")
        elif line.startswith("-A "):
            chain, _, rule = line[3:].partition(" ")
            chains.setdefault(f"{family} {table} {chain}", []).append(rule)
    return chains
