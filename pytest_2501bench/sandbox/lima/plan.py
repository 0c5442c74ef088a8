"""What a sandbox will consist of, before anything of it is made; bad hosts are refused here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_2501bench.errors import BenchError, Cause
from pytest_2501bench.ids import new_id
from pytest_2501bench.sandbox.protocol import HostSpec
from pytest_2501bench.sandbox.templates import Template, unknown_template

MOST_HOSTS: Final = 20
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True, slots=True)
class Plan:
    """One host before it runs."""

    index: int  # from 1
    host_id: str
    host_name: str
    template: str
    image: str  # the stopped instance whose disk it gets
    instance: str  # its own name in Lima, opaque; also the name that known_hosts has


def find_template(spec: HostSpec, templates: Mapping[str, Template]) -> Template:
    """Return the template that *spec* names.

    Raises:
        BenchError: ``sandbox_unavailable``; there is no such template. ``scenario_invalid``; a package has a bad name.
    """
    found = templates.get(spec.template)
    if found is None:
        what = unknown_template(spec.template, templates)
        raise BenchError(Cause.SANDBOX_UNAVAILABLE, f"host {spec.host_name}: {what}")
    for package in spec.packages:
        if not _PACKAGE.fullmatch(package):
            raise BenchError(Cause.SCENARIO_INVALID, f"host {spec.host_name}: {package!r} is not a Debian package name")
    return found


def make_plans(name: str, specs: Sequence[HostSpec], images: Sequence[str]) -> list[Plan]:
    """Plan the hosts of sandbox *name*, one for each of *specs* and *images*.

    Raises:
        BenchError: ``scenario_invalid``; no hosts, too many, or a name that cannot be or is there twice.
    """
    names = [spec.host_name for spec in specs]
    for one in names:
        if not _HOST_NAME.fullmatch(one):
            raise BenchError(Cause.SCENARIO_INVALID, f"{one!r} cannot be a host name: letters, digits and - only")
        if names.count(one) > 1:
            raise BenchError(Cause.SCENARIO_INVALID, f"two hosts are called {one!r}")
    if not 1 <= len(names) <= MOST_HOSTS:
        raise BenchError(Cause.SCENARIO_INVALID, f"{len(names)} hosts asked for; 1 to {MOST_HOSTS} are possible")
    return [
        Plan(
            index=index,
            host_id=spec.host_id or new_id("hst"),
            host_name=spec.host_name,
            template=spec.template,
            image=image,
            instance=f"{name.replace('_', '-')}-{index}",
        )
        for index, (spec, image) in enumerate(zip(specs, images, strict=True), start=1)
    ]
