"""A password by which the build of an image went to its mirror is not in the image."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pytest_2501bench.sandbox.namespace.shell import SCRIPTS


def test_a_finished_image_has_no_password_of_mirror_or_proxy(tmp_path: Path) -> None:
    apt = tmp_path / "etc" / "apt"
    (apt / "apt.conf.d").mkdir(parents=True)
    (tmp_path / "etc" / "default").mkdir()
    sources = "deb [signed-by=/k.gpg] https://{}mirror.example/debian bookworm main\n"
    proxy = 'Acquire::http::Proxy "http://{}proxy.example:3128/";\nApt::Install-Recommends "false";\n'
    (apt / "sources.list").write_text(sources.format("me:canary@"))
    (apt / "apt.conf.d" / "99mmdebstrap").write_text(proxy.format("me:canary@"))

    subprocess.run(["sh", SCRIPTS / "finish.sh", tmp_path], check=True)

    assert (apt / "sources.list").read_text() == sources.format("")
    assert (apt / "apt.conf.d" / "99mmdebstrap").read_text() == proxy.format("")
