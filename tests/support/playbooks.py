"""What tests of playbooks share."""

from __future__ import annotations

import os
from collections.abc import Callable

from pytest_2501bench.evidence.model import PlaybookRecord

MARK = f"LIMA_HOME=/nonexistent/{os.getpid()}"  # a harmless variable that Ansible is given: tells our processes apart
Run = Callable[..., PlaybookRecord]
