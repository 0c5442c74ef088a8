"""Stands in for ``ansible-playbook``: hands its work to the warm server, and ends as that playbook ends. A program.

Usage: ``python -I -S warm_client.py SOCKET NOTES ansible-playbook ARGUMENT…``

It gives the server its arguments, folder, environment, standard streams and terminal. When the server is not there,
refuses or does not answer, this process becomes the plain ``ansible-playbook``: nothing was begun until then. Line by
line NOTES gets ``client N`` (this process), ``pid N`` (the process that is the playbook), ``cold WHY`` (the plain
program had to be taken), ``died`` (the server went away amid the playbook).

Started for every playbook, hence no imports but of what is built in: ``socket`` alone would double its 10 ms.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import select
import sys
import termios

ANSWER_SECONDS = 20.0  # the server may be starting still, on a machine that is busy
SERVER_DIED = 250


def _note(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{text}\n".encode(errors="replace"))
    os.close(file)


def _line(server: _socket.socket) -> str:
    """Return the server's next line; empty when it closed the connection or did not answer in time."""
    poll = select.poll()
    poll.register(server.fileno(), select.POLLIN)
    line = b""
    while not line.endswith(b"\n"):
        if not poll.poll(ANSWER_SECONDS * 1000):
            return f"no it did not answer within {ANSWER_SECONDS:g} s"
        part = server.recv(1)
        if not part:
            return "no it closed the connection"
        line += part
    return line.decode(errors="replace").strip()


def _offer(path: str, words: list[str]) -> tuple[_socket.socket | None, str]:
    """Offer the playbook to the server; return the connection and the playbook's process, or None and why not."""
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        server.settimeout(ANSWER_SECONDS)
        server.connect(path)
        environment = [b"%b=%b" % item for item in os.environb.items()]
        mask = os.umask(0)
        os.umask(mask)
        head = [os.getcwdb(), b"%d" % mask, b"%d" % len(words)]  # noqa: PTH109 - pathlib is what is not imported here
        work = b"\0".join([*head, *map(os.fsencode, words), *environment])
        streams = b"".join(stream.to_bytes(4, sys.byteorder) for stream in (0, 1, 2))
        server.sendmsg([b"%20d" % len(work)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
        server.sendall(work)
        word, _, rest = _line(server).partition(" ")
    except OSError as e:
        word, rest = "no", str(e)
    if word == "ready":
        return server, rest
    server.close()
    return None, rest if word == "no" else f"it ended with status {rest}"


def _give_up_terminal() -> None:
    # A terminal belongs to one session, and Ansible asks it who is in the foreground. The SIGHUP that this sends is
    # ignored: ansible-runner starts us so.
    try:  # noqa: SIM105 - without contextlib
        fcntl.ioctl(0, termios.TIOCNOTTY)
    except OSError:
        pass  # it is no terminal


def _ending(server: _socket.socket) -> str:
    """Return what the server says when the playbook has ended; leave when nobody reads the terminal any more."""
    poll = select.poll()
    poll.register(server.fileno(), select.POLLIN)
    poll.register(1, 0)  # its hang-up only
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if server.fileno() in ready:
            return _line(server)
        if 1 in ready:
            os._exit(1)  # the connection's end tells the server to end the playbook


def main() -> None:
    """Have the playbook run, and end as it ends."""
    path, notes, *words = sys.argv[1:]
    _note(notes, f"client {os.getpid()}")
    server, answer = _offer(path, words)
    if server is None:
        _note(notes, f"cold {answer}")
        _note(notes, f"pid {os.getpid()}")
        os.execvp(words[0], words)  # noqa: S606
    _note(notes, f"pid {answer}")
    _give_up_terminal()
    try:
        server.settimeout(None)
        server.sendall(b"g")
        word, _, status = _ending(server).partition(" ")
    except OSError:
        word, status = "no", ""
    if word != "ended":
        _note(notes, "died")
        os._exit(SERVER_DIED)
    if int(status) < 0:
        os.kill(os.getpid(), 9)  # it was ended by a signal; that it was SIGKILL is not said anywhere
    os._exit(int(status))


if __name__ == "__main__":
    main()
