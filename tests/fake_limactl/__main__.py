"""A FAKE limactl, for tests of ``--mode lima`` on machines without Lima. It is not Lima and starts no virtual machine.

It has the command line, output, exit statuses and refusals of the real one as far as ``--mode lima`` meets them, read
from Lima's source; its "machines" are hosts of ``--mode namespace``. Set in the environment:

``LIMA_FAKE_VERSION``   the version to behave like, e.g. 1.0.7, 1.2.2, 2.0.3, 2.2.0 (default 2.0.3)
``LIMA_FAKE_AS_ROOT``   1: do not refuse root, as the real one does (namespace hosts need it for systemd)
``LIMA_FAKE_PYTHON``    the Python to run with
``LIMA_FAKE_CACHE``     where the images of namespace hosts are, if not where they are by default
``LIMA_FAKE_SLOW``      seconds that a clone takes before it has a lima.yaml, as on a file system without copy-on-write

What it does not do: user accounts and keys of Lima's own in the guest, ``shell``, mounts, port forwards, ``--tty``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from fake_limactl import store, usernet, yq
from fake_limactl.log import FatalError, info, quoted, refuse, say, warn
from fake_limactl.machine import Machine
from fake_limactl.version import current

IMAGE = "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2"
TEMPLATES = {
    "debian-12": {
        "images": [{"location": IMAGE, "arch": "x86_64"}],
        "mounts": [{"location": "~"}, {"location": "/tmp/lima", "writable": True}],
    }
}
TMP_SUFFIXES = (".pid", ".sock", ".tmp")


def _reconcile(starting: str = "") -> None:
    """Start and stop networks as all instances need them; before 2.2 one without lima.yaml is an error."""
    needed = False
    skipped = False
    for name in store.names():
        instance = store.inspect(name)
        if instance is None:
            if not current().skips_half_made:
                refuse(store.no_such_file(name))
            warn(f"Skipping instance `{name}` during network reconcile: {store.no_such_file(name)}")
            skipped = True
            continue
        if "user-v2" in instance.networks and (instance.status == "Running" or name == starting):
            needed = True
    if needed:
        usernet.start()
    elif not skipped:
        usernet.stop()


def _keys() -> None:
    config = store.home() / "_config"
    config.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (config / "user").exists():
        argv = ["ssh-keygen", "-t", "ed25519", "-q", "-N", "", "-C", "lima", "-f", str(config / "user")]
        subprocess.run(argv, check=False, stdin=subprocess.DEVNULL)


def _template(text: str) -> dict[str, Any]:
    for prefix in ("template://", "template:"):
        if text.startswith(prefix):
            name = text.removeprefix(prefix)
            if prefix == "template:" and current().number < (1, 1):
                refuse(f"template {quoted(text)} not found")  # it was read as a URL without a path
            if name not in TEMPLATES:
                refuse(f"template {quoted(name)} not found")
            return json.loads(json.dumps(TEMPLATES[name]))  # type: ignore[no-any-return]
    path = Path(text)
    if path.suffix not in (".yaml", ".yml"):
        refuse(f"argument must be either an instance name, a YAML file path, or a URL, got {quoted(text)}")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except OSError as error:
        refuse(f"open {text}: {str(error.strerror).lower()}")


def create(options: argparse.Namespace) -> None:
    name = options.name or options.source
    store.check_name(name)
    if store.inspect(name) is not None:
        refuse(f"instance {quoted(name)} already exists")
    config = _template(options.source)
    info("Terminal is not available, proceeding without opening an editor")
    for expression in options.set:
        yq.apply(expression, config)
    config.get("images") or refuse("field `images` must be set")
    directory = store.new_directory(name)
    directory.mkdir(parents=True, mode=0o700)
    (directory / "lima.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (directory / "lima-version").write_text(f"v{current().text}")
    _keys()
    info(f"Run `limactl start {name}` to start the instance.")


def _prepare_disk(directory: Path, config: dict[str, Any]) -> None:
    """Fetch the image, which is put off to the first start."""
    if (directory / "diffdisk").exists():
        return
    image = config["images"][0]
    location = str(image["location"])
    say("info", "Attempting to download the image", f' arch={image["arch"]} digest= location="{location}"')
    (directory / "basedisk").touch()
    if location.startswith("/"):
        shutil.copyfile(location, directory / "basedisk")
    else:
        info(f"Using cache {quoted(location)}")  # the machine's own images stand for Debian's
    shutil.copyfile(directory / "basedisk", directory / "diffdisk")


def start(options: argparse.Namespace) -> None:
    name = options.name
    store.check_name(name)
    instance = store.inspect(name)
    if instance is None:
        refuse(f"the fake does not create on start: {store.no_such_file(name)}")
    info(f"Using the existing instance {quoted(name)}")
    if instance.errors:
        refuse(f"errors inspecting instance: [{'; '.join(instance.errors)}]")
    if instance.status == "Running":
        info(f"The instance {quoted(name)} is already running. Run `limactl shell {name}` to open the shell.")
        return
    _reconcile(name)
    kind = "internal " if current().number >= (2, 0) else ""
    info(f"Starting the instance {quoted(name)} with {kind}VM driver {quoted('qemu')}")
    directory = instance.directory
    _prepare_disk(directory, instance.config)
    for log in ("ha.stdout.log", "ha.stderr.log"):
        (directory / log).unlink(missing_ok=True)
    with (directory / "ha.stdout.log").open("w") as out, (directory / "ha.stderr.log").open("w") as err:
        agent = subprocess.Popen(
            [sys.executable, "-m", "fake_limactl", "hostagent", "--pidfile", str(directory / "ha.pid"), name],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        for event in store.events(directory):
            status = event["status"]
            if status.get("exiting"):
                refuse(f"exiting, status={status} (hint: see {quoted(directory / 'ha.stderr.log')})")
            if status.get("running"):
                info(f"SSH Local Port: {status['sshLocalPort']}")
                ssh = f"ssh -F {quoted(directory / 'ssh.config')} {instance.hostname}"
                info(f"READY. Run `{ssh}` to open the shell.")
                agent.returncode = 0  # it goes on without us
                return
        if agent.poll() is not None:
            refuse(f"host agent process has exited: exit status {agent.returncode}")
        time.sleep(0.02)
    refuse(f"did not receive an event with the {quoted('running')} status")


def _gone(directory: Path) -> None:
    """What ``stop -f`` and ``delete -f`` begin with."""
    for file, what in (("qemu.pid", "qemu driver process"), ("ha.pid", "host agent process")):
        pid = store.alive(directory / file)
        if pid:
            info(f"Sending SIGKILL to the {what} {pid}")
            os.kill(pid, signal.SIGKILL)
            while store.alive(directory / file):
                time.sleep(0.01)
        else:
            info(f"The {what} seems already stopped")
    Machine(directory.name).destroy()
    info(f"Removing *.pid *.sock *.tmp under {quoted(directory)}")
    for path in directory.iterdir():
        if path.name.endswith(TMP_SUFFIXES):
            path.unlink(missing_ok=True)


def stop(options: argparse.Namespace) -> None:
    instance = store.inspect(options.name)
    if instance is None:
        refuse(store.no_such_file(options.name))
    if options.force:
        _gone(instance.directory)
    else:
        if instance.status != "Running":
            states = f"expected status {quoted('Running')}, got {quoted(instance.status)}"
            refuse(f"{states} (maybe use `limactl stop -f`?)")
        info(f"Sending SIGINT to hostagent process {instance.agent}")
        os.kill(instance.agent, signal.SIGINT)
        info("Waiting for the host agent and the driver processes to shut down")
        if store.wait_for(instance.directory, "exiting", 190) is None:
            refuse(f"did not receive an event with the {quoted('exiting')} status")
        info("Waiting for the instance to shut down")
        info(f"The instance {options.name} has shut down")
    _reconcile()


def delete(options: argparse.Namespace) -> None:
    for name in options.names:
        instance = store.inspect(name)
        if instance is None:
            warn(f"Ignoring non-existent instance {quoted(name)}")
            continue
        if not options.force and instance.status != "Stopped":
            states = f"expected status {quoted('Stopped')}, got {quoted(instance.status)}"
            refuse(f"failed to delete instance {quoted(name)}: {states}")
        _gone(instance.directory)
        shutil.rmtree(instance.directory)
        info(f"Deleted {quoted(name)} ({quoted(instance.directory)})")
    _reconcile()


def clone(options: argparse.Namespace) -> None:
    old = store.inspect(options.old)
    if old is None:
        refuse(f"instance {quoted(options.old)} not found")
    if options.old == options.new:
        refuse(f"new instance name {quoted(options.new)} must be different from {quoted(options.old)}")
    if old.status == "Running":
        refuse("cannot clone a running instance")
    directory = store.new_directory(options.new)
    directory.mkdir(mode=0o700)
    for path in sorted(old.directory.iterdir()):  # lima.yaml comes after the disks
        if path.name == "lima.yaml":
            time.sleep(float(os.environ.get("LIMA_FAKE_SLOW", "0")))
        if path.name != "protected" and not path.name.endswith(TMP_SUFFIXES):
            shutil.copyfile(path, directory / path.name)
            shutil.copymode(path, directory / path.name)
    if options.set:
        config = yaml.safe_load((directory / "lima.yaml").read_text())
        for expression in options.set:
            yq.apply(expression, config)
        (directory / "lima.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def list_instances(options: argparse.Namespace) -> int:
    there = store.names()
    for name in there:
        if store.inspect(name) is None:
            warn(
                f"The directory {quoted(store.home())} does not look like a valid Lima directory: "
                f"stat {store.home() / name / 'lima.yaml'}: no such file or directory"
            )
            break
    if not there and (not options.names or current().number < (1, 1)):
        warn("No instance found. Run `limactl create` to create an instance.")
        return 0
    wanted = [name for name in options.names if name in there] if options.names else there
    unmatched = [name for name in options.names if name not in there]
    for name in unmatched:
        warn(f"No instance matching {name} found.")
    rows = []
    for name in wanted:
        instance = store.inspect(name)
        if instance is not None:
            if instance.errors:
                warn(f"instance {quoted(name)} has errors")
            rows.append(instance.row())
        elif current().skips_half_made:
            broken = {"name": name, "hostname": "", "status": "Broken", "dir": str(store.home() / name), "vmType": ""}
            rows.append(
                {**broken, "arch": "", "protected": False, "limaVersion": "", "errors": [store.no_such_file(name)]}
            )
        else:
            refuse(f"unable to load instance {name}: {store.no_such_file(name)}")
    if options.json:
        for row in rows:
            print(json.dumps(row, separators=(",", ":")))  # noqa: T201
    else:
        print("NAME    STATUS    SSH    CPUS    MEMORY    DISK    DIR")  # noqa: T201
        for row in rows:
            print(row["name"], row["status"], row["dir"], sep="    ")  # noqa: T201
    return 1 if unmatched else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="limactl", add_help=False)
    parser.add_argument("--tty", default="true")
    parser.add_argument("--version", action="store_true")
    verbs = parser.add_subparsers(dest="verb")
    making = verbs.add_parser("create")
    making.add_argument("--name", default="")
    making.add_argument("--set", action="append", default=[])
    making.add_argument("source")
    verbs.add_parser("start").add_argument("name")
    for verb in ("stop", "delete"):
        sub = verbs.add_parser(verb)
        sub.add_argument("-f", "--force", action="store_true")
        sub.add_argument("name") if verb == "stop" else sub.add_argument("names", nargs="+")
    listing = verbs.add_parser("list")
    listing.add_argument("--json", action="store_true")
    listing.add_argument("names", nargs="*")
    if current().clone:
        cloning = verbs.add_parser("clone")
        cloning.add_argument("--set", action="append", default=[])
        cloning.add_argument("old")
        cloning.add_argument("new")
    agent = verbs.add_parser("hostagent")
    agent.add_argument("--pidfile", type=Path)
    agent.add_argument("name")
    return parser


def main(arguments: list[str]) -> int:
    root = os.geteuid() == 0 and os.environ.get("LIMA_FAKE_AS_ROOT") != "1"
    if root and current().refuses_root_first:
        if current().panics_as_root:
            sys.stderr.write("panic: must not run as the root user\n\ngoroutine 1 [running]:\nmain.main()\n")
            return 2
        sys.stderr.write("limactl: must not run as the root user\n")
        return 1
    try:
        options = _parser().parse_args(arguments)
    except SystemExit:
        say("fatal", f'unknown command "{(arguments or [""])[-1]}" for "limactl"')
        return 1
    if options.version:
        print(f"limactl version {current().text}")  # noqa: T201
        return 0
    try:
        if root:
            refuse("must not run as the root user")
        if options.tty != "false" and options.verb in ("create", "clone"):
            refuse("the fake has no editor to open: --tty=false is missing")
        if options.verb == "hostagent":
            from fake_limactl import hostagent

            hostagent.run(options.name, options.pidfile)
            return 0
        actions = {"create": create, "start": start, "stop": stop, "delete": delete, "clone": clone}
        if options.verb == "list":
            return list_instances(options)
        actions[options.verb](options)
    except FatalError as error:
        say("fatal", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
