"""What the store knows besides benchmarks and reports: identities, registered hosts and agents."""

from __future__ import annotations

from pytest_2501bench.evidence.model import Record


class Identity(Record):
    """A tenant (``ten_…``), organization (``org_…``) or user (``usr_…``)."""

    id: str
    name: str
    parent_id: str | None = None  # an organization's tenant, a user's organization


class RegisteredHost(Record):
    """A host that scenarios may refer to by ``host_id``. Keys are named by path, never stored."""

    host_id: str  # hst_…
    host_name: str  # the Ansible inventory name
    mode: str = "host"
    template: str | None = None
    address: str | None = None  # how the other hosts of a sandbox reach it
    ssh_address: str | None = None
    ssh_port: int = 22
    ssh_user: str = "root"
    ssh_key_file: str | None = None
    known_hosts_file: str | None = None
    python: str = "/usr/bin/python3"
    org_id: str | None = None
    quarantine: str | None = None  # why it must not be used until a restore succeeds
    host_key: str | None = None  # public host keys, one "type base64" a line
    proxy_command: str | None = None  # a program that connects, in place of address and port
    facts: dict[str, str | bool] | None = None  # what a look over SSH found last


class RegisteredAgent(Record):
    """An agent that scenarios may refer to by ``agent_id``."""

    agent_id: str  # agt_…
    agent_name: str
    host_id: str
    specialty_key: str | None = None
    main_engine: str | None = None
    secondary_engine: str | None = None
    org_id: str | None = None
