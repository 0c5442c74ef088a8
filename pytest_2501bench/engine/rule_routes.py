"""Routes under ``/operational-rules`` and ``/specialties``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Response

from pytest_2501bench.engine.desk import Desk
from pytest_2501bench.engine.wire_base import Problem, SpecialtyKey
from pytest_2501bench.engine.wire_rules import (
    RuleChange,
    RuleIn,
    RuleList,
    RuleOut,
    SpecialtyIn,
    SpecialtyList,
    SpecialtyOut,
)
from pytest_2501bench.ids import new_id

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is none of this name."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "In conflict with what is there."}}


def router(desk: Desk) -> APIRouter:
    """Return the routes on *desk*."""
    api = APIRouter(tags=["operational rules"])
    repository = desk.repository

    def known(rule_id: str) -> RuleOut:
        rule = repository.rule(rule_id)
        if rule is None:
            raise HTTPException(404, f"no operational rule {rule_id!r}")
        return rule

    @api.post(
        "/operational-rules",
        summary="Store an operational rule",
        status_code=201,
        response_model=RuleOut,
        responses={**_CONFLICT, 200: {"model": RuleOut, "description": "Stored so already."}},
    )
    async def store(rule: RuleIn, response: Response) -> RuleOut:
        """Store a rule; it goes into jobs that are planned from now on.

        The same rule again is answered with 200; another one under the same `rule_id` with 409.
        """
        wanted = RuleOut.model_validate({**rule.model_dump(), "rule_id": rule.rule_id or new_id("rul")})
        there = repository.rule(wanted.rule_id)
        if there is not None:
            if there != wanted:
                raise HTTPException(409, f"operational rule {wanted.rule_id} has other words or matches others")
            response.status_code = 200
            return there
        repository.put_rule(wanted)
        return wanted

    @api.get("/operational-rules", summary="List operational rules")
    async def list_rules() -> RuleList:
        """Return all operational rules."""
        return RuleList(operational_rules=repository.rules())

    @api.get("/operational-rules/{rule_id}", summary="Show an operational rule", responses=_UNKNOWN)
    async def show(rule_id: str) -> RuleOut:
        """Return one operational rule."""
        return known(rule_id)

    @api.put("/operational-rules/{rule_id}", summary="Change an operational rule", responses=_UNKNOWN)
    async def change(rule_id: str, wanted: RuleChange) -> RuleOut:
        """Change a rule; tasks that it went into keep its old words."""
        rule = known(rule_id).model_copy(update=wanted.model_dump(exclude_none=True))
        repository.put_rule(rule)
        return rule

    @api.delete("/operational-rules/{rule_id}", summary="Remove an operational rule", status_code=204,
                responses=_UNKNOWN)  # fmt: skip
    async def remove(rule_id: str) -> None:
        """Forget a rule; tasks that it went into keep its words."""
        known(rule_id)
        repository.remove_rule(rule_id)

    @api.get("/specialties", summary="List specialties")
    async def list_specialties() -> SpecialtyList:
        """Return the specialties that were set; agents may have others, which may do everything."""
        return SpecialtyList(specialties=repository.specialties())

    @api.put("/specialties/{specialty_key}", summary="Set what a specialty may do")
    async def set_specialty(specialty_key: SpecialtyKey, wanted: SpecialtyIn) -> SpecialtyOut:
        """Say whether agents of a specialty may only investigate.

        Such agents are told to investigate, whatever the ticket asks for; where it asks for a repair, their success
        is `partial`.
        """
        specialty = SpecialtyOut(specialty_key=specialty_key, investigate_only=wanted.investigate_only)
        repository.put_specialty(specialty)
        return specialty

    @api.delete("/specialties/{specialty_key}", summary="Forget what was set for a specialty", status_code=204)
    async def forget_specialty(specialty_key: SpecialtyKey) -> None:
        """Let a specialty be as if it had never been set; harmless when repeated."""
        repository.remove_specialty(specialty_key)

    return api
