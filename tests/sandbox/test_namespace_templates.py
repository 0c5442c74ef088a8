"""Templates in ``--mode namespace``: built once, provisioned over SSH, and what their hosts can do."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hosts import on

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.namespace.images import Images
from pytest_2501bench.sandbox.namespace.pip import translate
from pytest_2501bench.sandbox.protocol import Host, HostSpec, Sandbox
from pytest_2501bench.sandbox.templates import TEMPLATES, Template, load_templates

pytestmark = pytest.mark.namespace

BASE = TEMPLATES["debian-base"]
PLAY = """\
- hosts: all
  become: true
  gather_facts: false
  tasks:
    - name: mark
      ansible.builtin.copy:
        dest: "/etc/{{ template }}-mark"
        content: "{{ lookup('file', 'word') }}"
        mode: "0644"
    - name: leave traces
      ansible.builtin.shell: echo secret | tee /tmp/left /var/tmp/left /var/log/left /root/.bash_history; logger secret
      changed_when: true
"""


@pytest.fixture(scope="module")
def cache(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """A cache of its own with debian-base in it: its very files, since root filesystems are only read."""
    shared = NamespaceProvider().cache
    directory = tmp_path_factory.mktemp("own") / "cache"
    own = NamespaceProvider(cache_dir=directory).cache
    folder = own.rootfs(BASE)
    folder.mkdir(parents=True)
    (folder / "root").symlink_to(shared.rootfs(BASE) / "root")
    (folder / "built.json").write_text((shared.rootfs(BASE) / "built.json").read_text(encoding="utf-8"), "utf-8")
    yield own
    (folder / "root").unlink()
    NamespaceProvider(cache_dir=directory).remove_everything(living=True)


def _provider(cache: Images, folder: Path) -> NamespaceProvider:
    return NamespaceProvider(cache_dir=cache.directory.parent, templates=load_templates(folder))


def _define(folder: Path, name: str = "marked", word: str = "first", play: str = PLAY) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "template.toml").write_text('base = "debian-base"\n', encoding="utf-8")
    (folder / name / "provision.yml").write_text(play, encoding="utf-8")
    (folder / name / "word").write_text(word, encoding="utf-8")


def test_a_playbook_is_played_once_and_again_when_its_folder_changes(cache: Images, tmp_path: Path) -> None:
    _define(tmp_path)
    said: list[str] = []
    provider = _provider(cache, tmp_path)
    provider.prepare_images([HostSpec("a", "marked")], said.append)
    assert "template marked: provision.yml: [template] mark" in said
    assert said[-1] == "template marked: ready"

    said.clear()
    sandbox = provider.create([HostSpec("a", "marked")], said.append)
    assert said == []
    (host,) = sandbox.hosts
    assert on(host, "cat /etc/marked-mark").stdout == "first"
    traces = "ls -A /tmp /var/tmp /root/.ansible /var/log/left /root/.bash_history; journalctl -q | grep -c secret"
    assert [line for line in on(host, traces).stdout.splitlines() if "left" in line or "ansible" in line] == []
    assert on(host, "journalctl -q | grep -c secret").stdout == "0\n"
    assert on(host, "hostname; cat /etc/hostname").stdout == "a\na\n"

    name = next(image.name for image in provider.images() if image.template == "marked" and image.name[0] == "m")
    with pytest.raises(BenchError, match=f"{name} is not removed: sandbox {sandbox.name} needs it") as caught:
        provider.remove_image(name)
    assert caught.value.cause is Cause.RESTORE_FAILED
    provider.destroy(sandbox)
    assert provider.list_owned() == []

    _define(tmp_path, word="second")
    provider = _provider(cache, tmp_path)
    assert {image.current for image in provider.images() if image.template == "marked"} == {False}
    sandbox = provider.create([HostSpec("a", "marked")])
    assert on(sandbox.hosts[0], "cat /etc/marked-mark").stdout == "second"
    provider.destroy(sandbox)

    for image in provider.images():
        if image.template == "marked":
            assert image.built_at is not None
            assert time.time() - 600 < image.built_at <= time.time() + 1
            assert image.size is not None
            provider.remove_image(image.name)
            provider.remove_image(image.name)
    assert [image.template for image in provider.images()] == ["debian-base"]


def test_a_playbook_that_fails_is_named_with_its_task_and_leaves_nothing(cache: Images, tmp_path: Path) -> None:
    play = (
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: fetch it\n      ansible.builtin.command: 'false'\n"
    )
    _define(tmp_path, "broken", play=play)
    provider = _provider(cache, tmp_path)
    with pytest.raises(BenchError) as caught:
        provider.prepare_images([HostSpec("a", "broken")])
    assert caught.value.cause is Cause.SANDBOX_UNAVAILABLE
    said = "template broken could not be provisioned: task 'fetch it' (provision.yml:4) failed: "
    assert str(caught.value).startswith(said)
    assert caught.value.log is not None
    assert "fetch it" in caught.value.log.read_text(encoding="utf-8")
    assert provider.list_owned() == []
    assert not provider.cache.complete(provider.templates["broken"], ())
    assert not (cache.directory / "building").exists()


def test_a_base_stays_while_a_template_stands_on_it_and_a_new_build_of_it_is_built_upon_anew(
    cache: Images, tmp_path: Path
) -> None:
    _define(tmp_path)
    provider = _provider(cache, tmp_path)
    marked = provider.templates["marked"]
    provider.cache.build_rootfs(marked)
    base = provider.cache.rootfs(BASE)
    with pytest.raises(
        BenchError, match=f"{base.name} is not removed: .*{provider.cache.rootfs(marked).name} stands on"
    ):
        provider.remove_image(base.name)

    built = json.loads((base / "built.json").read_text(encoding="utf-8"))
    (base / "built.json").write_text(json.dumps({**built, "build": "another"}), encoding="utf-8")
    assert not provider.cache.has_rootfs(marked)
    (base / "built.json").write_text(json.dumps(built), encoding="utf-8")
    assert provider.cache.has_rootfs(marked)
    order = [image.template for image in provider.images()]
    assert order.index("marked") < order.index("debian-base")


def test_an_archive_is_one_root_filesystem_before_its_playbook(cache: Images, tmp_path: Path) -> None:
    _define(tmp_path / "t")
    (tmp_path / "t" / "marked" / "template.toml").write_text(
        'base = "debian-base"\npackages = ["tree"]\n', encoding="utf-8"
    )
    provider = _provider(cache, tmp_path / "t")
    archive = tmp_path / "marked.tar"
    provider.cache.export_tar(provider.templates["marked"], archive)
    listed = subprocess.run(["tar", "--list", "--file", str(archive)], capture_output=True, text=True, check=True)
    names = set(listed.stdout.splitlines())
    assert {"./usr/bin/tree", "./usr/bin/python3", "./usr/sbin/sshd", "./dev/"} <= names
    assert "./etc/marked-mark" not in names
    assert not [name for name in names if name.startswith(("./dev/n", "./etc/ssh/ssh_host_"))]


def test_one_builds_while_the_other_waits_and_then_has_it_too(cache: Images, tmp_path: Path) -> None:
    _define(tmp_path, "shared", play="- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.raw: id}]\n")
    told: list[list[str]] = [[], []]
    providers = [_provider(cache, tmp_path) for _ in told]
    threads = [
        threading.Thread(target=provider.prepare_images, args=([HostSpec("a", "shared")], said.append))
        for provider, said in zip(providers, told, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(provider.cache.complete(provider.templates["shared"], ()) for provider in providers)
    assert [line for said in told for line in said].count("template shared: ready") == 2  # its packages, its playbook
    with (cache.directory / "build.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


_BUILDER = """
import sys
from pathlib import Path
from pytest_2501bench.sandbox.namespace import NamespaceProvider
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.sandbox.templates import load_templates
provider = NamespaceProvider(cache_dir=Path(sys.argv[1]), templates=load_templates(Path(sys.argv[2])))
provider.prepare_images([HostSpec("a", "slow")], lambda line: print(line, flush=True))
"""


def test_what_a_builder_left_that_was_killed_at_its_playbook_is_reaped_and_built_again(
    cache: Images, tmp_path: Path
) -> None:
    play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: wait\n      ansible.builtin.raw: sleep {}\n"
    _define(tmp_path, "slow", play=play.format(600))
    places = [str(cache.directory.parent), str(tmp_path)]
    with subprocess.Popen([sys.executable, "-c", _BUILDER, *places], stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        assert any("provision.yml: [template] wait" in line for line in builder.stdout)
        builder.kill()
    provider = _provider(cache, tmp_path)
    (orphan,) = provider.list_owned()
    assert provider.reap() == [orphan.name]

    _define(tmp_path, "slow", play=play.format(0))
    provider = _provider(cache, tmp_path)
    provider.prepare_images([HostSpec("a", "slow")])
    assert provider.cache.complete(provider.templates["slow"], ())
    assert provider.list_owned() == []


def test_a_python_requirement_that_is_not_to_be_had_is_named_and_leaves_nothing(cache: Images, tmp_path: Path) -> None:
    _define(tmp_path, "pythons")
    definition = 'base = "debian-base"\npython = ["no-such-distribution-2501"]\n'
    (tmp_path / "pythons" / "template.toml").write_text(definition, encoding="utf-8")
    provider = _provider(cache, tmp_path)
    with pytest.raises(
        BenchError, match=r"template pythons could not be installed: .*no-such-distribution-2501"
    ) as caught:
        provider.prepare_images([HostSpec("a", "pythons")])
    assert caught.value.cause is Cause.SANDBOX_UNAVAILABLE
    assert not provider.cache.has_rootfs(provider.templates["pythons"])


def test_pip_goes_the_way_of_this_machine_with_its_folders_seen_inside(tmp_path: Path) -> None:
    index, wheels, cert = tmp_path / "index" / "simple", tmp_path / "wheels", tmp_path / "ca.crt"
    for folder in (index, wheels):
        folder.mkdir(parents=True)
    cert.touch()
    environment, places = translate(
        {
            "index-url": "https://packages.example/simple",
            "extra-index-url": f"file://{index}",
            "find-links": f"{wheels} {tmp_path}/nowhere",
            "cert": str(cert),
        }
    )
    assert environment == {
        "PIP_CERT": "/run/pip/0",
        "PIP_EXTRA_INDEX_URL": "file:///run/pip/1/simple",
        "PIP_FIND_LINKS": "/run/pip/2",
        "PIP_INDEX_URL": "https://packages.example/simple",
    }
    assert places == [(cert, "/run/pip/0"), (index.parent, "/run/pip/1"), (wheels, "/run/pip/2")]


# ---- the contract's -------------------------------------------------------------------------------------------------

_IMAGE = """\
set -e
mkdir -p /tmp/image/bin
cp /bin/busybox /tmp/image/bin/
for name in sh echo cat httpd sleep; do ln -sf busybox /tmp/image/bin/$name; done
tar -C /tmp/image -c . | {engine} import - box:1 > /dev/null
"""
_USE = """\
set -e
{engine} run --rm box:1 /bin/echo "hello from a container"
{engine} run -d --name web -p 8080:80 box:1 \\
  /bin/sh -c "echo served > /index.html; exec /bin/httpd -f -p 80 -h /" > /dev/null
n=0; until curl -sf localhost:8080; do n=$((n+1)); [ $n -lt 50 ]; sleep 0.1; done
{engine} exec web /bin/cat /index.html
printf 'FROM box:1\\nRUN ["/bin/sh", "-c", "echo made > /made"]\\nCMD ["/bin/cat", "/made"]\\n' > /tmp/Dockerfile
{engine} build -q -t two -f /tmp/Dockerfile /tmp > /dev/null
{engine} run --rm two
"""


@pytest.fixture
def needs_containers() -> None:
    """Containers in hosts need root; that the mode says so is tested in test_preflight."""
    told = NamespaceProvider().capabilities("debian-podman")
    if not told.names:
        pytest.skip(str(told.lack(["nested-containers"])))


def _host(provider: NamespaceProvider, template: Template) -> tuple[Sandbox, Host]:
    assert provider.capabilities(template.name).lack(template.requires) is None
    sandbox = provider.create([HostSpec("web-01", template.name)], print)
    (host,) = sandbox.hosts
    assert on(host, "systemctl is-system-running").stdout == "running\n"
    return sandbox, host


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_containers_run_serve_and_are_built_inside_a_host(
    needs_containers: None, provider: NamespaceProvider, engine: str
) -> None:
    sandbox, host = _host(provider, TEMPLATES[f"debian-{engine}"])
    made = on(host, _IMAGE.format(engine=engine))
    assert made.returncode == 0, made.stderr
    used = on(host, _USE.format(engine=engine), timeout=60)
    assert used.stdout == "hello from a container\nserved\nserved\nmade\n", used.stderr

    again = provider.reset(sandbox)
    assert on(again.hosts[0], f"{engine} ps -aq; {engine} images -q").stdout == ""
    provider.destroy(again)
    assert provider.list_owned() == []


def test_podman_uses_cgroupfs_as_root(needs_containers: None, provider: NamespaceProvider) -> None:
    sandbox, host = _host(provider, TEMPLATES["debian-podman"])
    form = "{{.Host.CgroupManager}} {{.Host.Security.Rootless}}"
    assert on(host, f"podman info --format '{form}'").stdout == "cgroupfs false\n"
    provider.destroy(sandbox)


def test_aws_finds_a_server_on_port_4566(provider: NamespaceProvider) -> None:
    if "systemd" not in provider.capabilities("debian-base").names:
        pytest.skip("needs systemd")
    sandbox, host = _host(provider, TEMPLATES["debian-localstack"])
    aws = "aws --endpoint-url http://localhost:4566"
    wait = "n=0; until curl -s localhost:4566 > /dev/null; do n=$((n+1)); [ $n -lt 200 ]; sleep 0.1; done"
    done = on(
        host,
        f"{wait}; set -e; aws --version; {aws} s3 mb s3://reports; echo content | {aws} s3 cp - s3://reports/key; "
        f"{aws} s3 cp s3://reports/key -; {aws} sqs create-queue --queue-name jobs",
        timeout=60,
    )
    assert done.stdout.startswith("aws-cli/2."), done.stderr
    assert "make_bucket: reports\ncontent\n" in done.stdout
    assert '"QueueUrl": "http://localhost:4566/' in done.stdout
    provider.destroy(sandbox)


def test_what_cannot_be_made_here_is_refused_with_the_reason(provider: NamespaceProvider) -> None:
    with pytest.raises(BenchError, match=r"host a: template debian-k3s needs kubernetes: .* k3s in a VM"):
        provider.create([HostSpec("a", "debian-k3s")])
    with pytest.raises(BenchError, match=r"host a: there is no template 'debian-podmn'. Did you mean 'debian-podman'"):
        provider.create([HostSpec("a", "debian-podmn")])
    assert provider.list_owned() == []
