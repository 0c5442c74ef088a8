"""What limactl says on stderr: logrus's text form, as when stderr is no terminal."""

from __future__ import annotations

import json
import sys
import time
from typing import NoReturn

from fake_limactl.version import current


class FatalError(Exception):
    """Ends the program with the message and status 1, as ``logrus.Fatal`` does."""


def say(level: str, message: str, fields: str = "") -> None:
    # Go's %q and JSON agree on what our messages hold.
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    sys.stderr.write(
        f'time="{now[:-2]}:{now[-2:]}" level={level} msg={json.dumps(message, ensure_ascii=False)}{fields}\n'
    )
    sys.stderr.flush()


def info(message: str) -> None:
    say("info", message)


def warn(message: str) -> None:
    say("warning", message)


def refuse(message: str) -> NoReturn:
    raise FatalError(message)


def quoted(text: object) -> str:
    return f"`{text}`" if current().quotes_back else json.dumps(str(text), ensure_ascii=False)
