"""The bastion's own connection to a real host."""

from __future__ import annotations

import asyncssh

from pytest_2501bench.sandbox.protocol import SshSettings

CONNECT_SECONDS = 20.0


async def connect(ssh: SshSettings, host_name: str) -> asyncssh.SSHClientConnection:
    """Connect to the real host as *ssh* says; the host key is verified.

    Raises:
        OSError, asyncssh.Error: not reached, or not accepted.
    """
    known = asyncssh.import_known_hosts(ssh.known_hosts.read_text())
    proxy = None
    if ssh.proxy_command and ssh.proxy_command != "none":
        tokens = {"%%": "%", "%h": ssh.address, "%p": str(ssh.port), "%r": ssh.user, "%n": host_name}
        line = ssh.proxy_command
        for token in ("%h", "%p", "%r", "%n", "%%"):
            line = line.replace(token, tokens[token])
        # As OpenSSH does it: by a shell that is replaced.
        proxy = ["/bin/sh", "-c", f"exec {line.removeprefix('exec ')}"]
    return await asyncssh.connect(
        ssh.address,
        ssh.port,
        config=None,
        username=ssh.user,
        client_keys=[str(ssh.identity_file)],
        # By the alias alone, as OpenSSH does with HostKeyAlias: not by address or port.
        known_hosts=lambda _host, _addr, _port: known.match(ssh.hostname, "", None),
        host_key_alias=ssh.hostname,
        proxy_command=proxy,
        agent_path=None,
        preferred_auth="publickey",
        gss_host=None,
        compression_algs=None,
        connect_timeout=CONNECT_SECONDS,
        login_timeout=CONNECT_SECONDS,
    )
