"""What every record of a run is: frozen, strict, and as JSON the same again."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen; unknown fields are refused, so that a typing mistake cannot lose evidence.

    NaN and infinities are refused too: JSON has neither, and a database would refuse the run's whole report.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
