"""The shapes of a ticket's files in the engine's API."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated

from pydantic import Field, StringConstraints

from pytest_2501bench.engine.wire_base import Answer, Line, Request

_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class AttachmentIn(Request):
    """A file that comes with a ticket."""

    # An agent finds it under this name in a folder: no path, nothing hidden.
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 ._()+=@-]{0,199}$")] = Field(
        description="A file's name, no path.", examples=["nginx-error.log"]
    )
    content_type: Line = "application/octet-stream"
    content: Annotated[str, StringConstraints(pattern=_BASE64, max_length=8_388_608)] = Field(
        description="Base64.", examples=["aGVsbG8="]
    )

    def data(self) -> bytes:
        """Return the file's content."""
        return base64.b64decode(self.content)

    def described(self) -> AttachmentOut:
        """Return what a list of attachments says of it."""
        data = self.data()
        return AttachmentOut(
            name=self.name, content_type=self.content_type, size=len(data), sha256=hashlib.sha256(data).hexdigest()
        )


class AttachmentOut(Answer):
    """A file of a ticket; its content is asked for by itself."""

    name: str
    content_type: str
    size: int = Field(ge=0, description="Bytes.")
    sha256: str


class AttachmentContent(AttachmentOut):
    """The same with its content."""

    content: str = Field(description="Base64.")
