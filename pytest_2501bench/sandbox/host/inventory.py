"""``--hosts inventory.ini``: an Ansible inventory, as Ansible itself reads it, and the hosts that it means."""

from __future__ import annotations

import getpass
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_2501bench.errors import BenchError, Cause, Phase
from pytest_2501bench.playbooks.complaint import complaint
from pytest_2501bench.playbooks.environment import Patience, ansible_environment, require_programs, search_path
from pytest_2501bench.playbooks.message import last_lines
from pytest_2501bench.sandbox.host.host_key import find_keys, name_in_known_hosts
from pytest_2501bench.sandbox.host.identity import HOST_ID, stable_id
from pytest_2501bench.scratch import scratch
from pytest_2501bench.store.model import RegisteredHost

_SECONDS = 60.0
_OWN_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
DEFAULT_PYTHON = "/usr/bin/python3"


def read_inventory(inventory: Path, *, org_id: str | None = None, source: str = "--hosts") -> list[RegisteredHost]:
    """Return the hosts of *inventory* as they are to be registered, in its order; connects to nothing.

    Args:
        inventory: ini or YAML file, or a folder of them.
        org_id: organization that the hosts will belong to.
        source: where the path came from, for messages.

    Raises:
        BenchError: ``option_invalid``, naming file, host and variable; ``tool_missing``.
    """
    where = f"{source} {inventory}"
    if not inventory.exists():
        raise _wrong(f"{where}: no such file.")
    listed = _listed(inventory, where)
    variables: Mapping[str, Mapping[str, Any]] = listed.get("_meta", {}).get("hostvars", {})
    names = dict.fromkeys(
        name for group in listed.values() if isinstance(group, dict) for name in group.get("hosts", ())
    )
    folder = inventory if inventory.is_dir() else inventory.parent
    hosts = [_Entry(where, name, variables.get(name, {}), folder.absolute()).host(org_id) for name in names]
    if not hosts:
        raise _wrong(f"{where}: there is no host in it.")
    ids: dict[str, str] = {}
    for host in hosts:
        if host.host_id in ids:
            raise _wrong(f"{where}: {ids[host.host_id]} and {host.host_name} have the same host_id {host.host_id}.")
        ids[host.host_id] = host.host_name
    return hosts


def _listed(inventory: Path, where: str) -> dict[str, Any]:
    path = search_path(None, os.environ)
    require_programs(path)
    with scratch() as folder:
        config = folder / "ansible.cfg"
        config.touch()
        environment = ansible_environment(folder, path=path, config=config, patience=Patience(), environ=os.environ)
        try:
            done = subprocess.run(
                ["ansible-inventory", "-i", str(inventory.absolute()), "--list"],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _wrong(f"{where}: ansible-inventory did not end within {_SECONDS:g} s.") from None
    if done.returncode:
        words = str(complaint(done.stderr, inventory.parent) or last_lines(done.stderr, 300))
        raise _wrong(f"{where}: {words.rstrip('.')}.")
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


class _Entry:
    """One host of an inventory."""

    def __init__(self, where: str, name: str, variables: Mapping[str, Any], folder: Path) -> None:
        self._where = where
        self._name = name
        self._variables = variables
        self._folder = folder

    def _error(self, what: str) -> BenchError:
        return _wrong(f"{self._where}: host {self._name}: {what}")

    def _text(self, *names: str) -> str | None:
        for name in names:
            value = self._variables.get(name)
            if value is None:
                continue
            if not isinstance(value, (str, int)) or isinstance(value, bool):
                raise self._error(f"{name}: must be plain text.")  # a vault's value, for example
            text = str(value).strip()
            if "{{" in text or "\n" in text:
                raise self._error(f"{name}: templates ({{{{ … }}}}) are not followed here; write the value itself.")
            if text:
                return text
        return None

    def _path(self, text: str) -> Path:
        path = Path(text).expanduser()
        beside = self._folder / path
        return beside if beside.exists() or not path.exists() else path.absolute()

    def host(self, org_id: str | None) -> RegisteredHost:
        """Return the host to register."""
        connection = self._text("ansible_connection")
        if connection not in (None, "ssh", "smart", "ansible.builtin.ssh"):
            raise self._error(f"ansible_connection: {connection!r}: hosts are reached by ssh only.")
        for name in ("ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass"):
            if name in self._variables:
                raise self._error(f"{name}: passwords are not used; give it a key, and sudo without a password.")
        options = dict(self._ssh_options())
        address = self._text("ansible_host", "ansible_ssh_host") or self._name
        port = self._port(options)
        user = self._text("ansible_user", "ansible_ssh_user") or options.get("user") or getpass.getuser()
        host_id = self._text("host_id") or stable_id(org_id, self._name)
        if not HOST_ID.fullmatch(host_id):
            raise self._error(f"host_id: {host_id!r} is no host id: hst_ and letters, digits, - and _.")
        interpreter = self._text("ansible_python_interpreter") or DEFAULT_PYTHON
        return RegisteredHost(
            host_id=host_id,
            host_name=self._name,
            address=address,
            ssh_address=address,
            ssh_port=port,
            ssh_user=user,
            ssh_key_file=str(self._key_file(options)),
            host_key="\n".join(self._host_keys(options, address, port)),
            proxy_command=_proxy(options, address, port, user),
            python=interpreter if interpreter.startswith("/") else DEFAULT_PYTHON,  # "auto": Ansible would look
            org_id=org_id,
        )

    def _port(self, options: Mapping[str, str]) -> int:
        text = self._text("ansible_port", "ansible_ssh_port") or options.get("port") or "22"
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise self._error(f"ansible_port: {text!r} is no port.")
        return int(text)

    def _key_file(self, options: Mapping[str, str]) -> Path:
        named = self._text("ansible_ssh_private_key_file", "ansible_private_key_file") or options.get("identityfile")
        if named is not None:
            path = self._path(named)
            if not path.is_file():
                raise self._error(f"ansible_ssh_private_key_file: {path}: no such file.")
            return path
        own = own_key()
        if own is None:
            raise self._error("ansible_ssh_private_key_file is not set, and there is no key in ~/.ssh.")
        return own

    def _host_keys(self, options: Mapping[str, str], address: str, port: int) -> tuple[str, ...]:
        named = self._text("known_hosts") or options.get("userknownhostsfile")
        files = (
            [self._path(word) for word in shlex.split(named)] if named else [Path("~/.ssh/known_hosts").expanduser()]
        )
        name = options.get("hostkeyalias") or name_in_known_hosts(address, port)
        keys = tuple(key for file in files for key in find_keys(file, name))
        if not keys:
            shown = ", ".join(map(str, files))
            raise self._error(
                f"there is no host key of {name} in {shown}. Compare its fingerprint and record it, with "
                f"`ssh-keyscan`, or by logging in once; or name another file in the host variable known_hosts."
            )
        return keys

    def _ssh_options(self) -> Iterator[tuple[str, str]]:
        """Give the ssh options that count here, names in small letters; the first of a name holds, as with ssh."""
        seen: set[str] = set()
        for variable in ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"):
            raw = self._variables.get(variable)
            if not isinstance(raw, str):
                continue
            try:
                words = shlex.split(raw)
            except ValueError as exc:
                raise self._error(f"{variable}: {exc}.") from None
            for name, value in self._options_of(variable, words):
                if name not in seen:
                    seen.add(name)
                    yield name, value

    def _options_of(self, variable: str, words: list[str]) -> Iterator[tuple[str, str]]:
        short = {"-J": "proxyjump", "-i": "identityfile", "-p": "port", "-l": "user"}
        rest = iter(words)
        for word in rest:
            flag, value = word[:2], word[2:]
            if flag not in {"-o", "-F", *short}:
                continue  # -C, -4 and the like: how fast, not where to
            value = value or next(rest, "")
            if flag == "-F":
                raise self._error(f"{variable}: -F: an ssh_config is not read; set HostName, ProxyJump … here.")
            if flag in short:
                yield short[flag], value
                continue
            found = re.fullmatch(r"\s*(\w+)\s*(?:=|\s)\s*(.*)", value)
            if found is None:
                raise self._error(f"{variable}: -o {value!r} is no ssh option.")
            yield found[1].lower(), found[2].strip()


def _proxy(options: Mapping[str, str], address: str, port: int, user: str) -> str | None:
    command = options.get("proxycommand")
    if command is None and (jump := options.get("proxyjump")) is not None and jump.lower() != "none":
        # The jump host's own key and name are those of the user's ssh_config and known_hosts, as with ProxyJump.
        *before, last = jump.split(",")
        via = ["-J", ",".join(before)] if before else []
        to, _, jump_port = last.rpartition(":") if re.search(r":\d+$", last) else (last, "", "")
        more = ["-p", jump_port] if jump_port else []
        command = f"ssh -o BatchMode=yes {shlex.join([*via, *more])} -W [%h]:%p {shlex.quote(to)}".replace("  ", " ")
    return proxy_with_values(command, address, port, user)


def own_key() -> Path | None:
    """Return the first of this user's own private keys, in ssh's order of preference; None if there is none."""
    own = [path for name in _OWN_KEYS if (path := Path("~/.ssh", name).expanduser()).is_file()]
    return own[0] if own else None


def proxy_with_values(command: str | None, address: str, port: int, user: str) -> str | None:
    """Return a ProxyCommand with ``%h``, ``%p``, ``%r`` and ``%n`` filled in; None where there is none."""
    if command is None or command.lower() == "none":
        return None
    # Here, and not by ssh: the recorder of agents' sessions runs the command itself.
    known = {"%h": address, "%n": address, "%p": str(port), "%r": user, "%%": "%%"}
    return re.sub(r"%.", lambda found: known.get(found[0], found[0]), command)


def _wrong(what: str) -> BenchError:
    return BenchError(Cause.OPTION_INVALID, what, phase=Phase.PREFLIGHT)
