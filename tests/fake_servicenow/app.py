"""The fake instance's HTTP side."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fake_servicenow import faults
from fake_servicenow.instance import FIELDS, FakeInstance, ForbiddenError
from fake_servicenow.query import matching

STATUS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def failure(status: int, message: str, detail: str | None = None, headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return JSONResponse(body, status_code=status, headers=headers)


NO_RECORD = ("No Record found", "Record doesn't exist or ACL restricts the record retrieval")


class App:
    """Routes on one instance."""

    def __init__(self, instance: FakeInstance) -> None:
        self.instance = instance
        self.faults: list[faults.Fault] = []
        self.requests: list[list[str]] = []

    async def serve(self, request: Request) -> Response:
        method, path = request.method, request.url.path
        if path.startswith("/_fake/"):
            return await self._control(request)
        body = await request.body()
        shown = f"{path}?{request.url.query}" if request.url.query else path
        self.requests.append([method, shown])
        fault = next((fault for fault in self.faults if fault.matches(method, shown)), None)
        if fault is None:
            return await self._answer(request, body)
        fault.times -= 1
        carried_out = await self._answer(request, body) if fault.after else None
        await asyncio.sleep(fault.delay)
        if fault.cut:
            return StreamingResponse(_cut(), headers={"Content-Length": "1000"})
        if fault.body is not None:
            return Response(fault.body, fault.status or 200, media_type="text/html")
        if fault.status:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            return failure(fault.status, STATUS.get(fault.status, "Error"), "made by a fault", headers)
        return carried_out if carried_out is not None else await self._answer(request, body)

    async def _control(self, request: Request) -> Response:
        what = request.url.path.removeprefix("/_fake/")
        if what == "faults":
            self.faults = faults.parse(await request.json())
        elif what == "settings":
            said = await request.json()
            for name in ("password", "client_secret", "page_cap"):
                if name in said:
                    setattr(self.instance, name, said.pop(name))
            if said.pop("forget_tokens", False):
                self.instance.tokens.clear()
            self.instance.settings |= said
        elif what == "requests":
            return JSONResponse(self.requests)
        elif what.startswith("rows/"):
            return JSONResponse(list(self.instance.tables[what.removeprefix("rows/")].values()))
        return JSONResponse({})

    async def _answer(self, request: Request, body: bytes) -> Response:
        path = request.url.path
        if path == "/oauth_token.do":
            return self._token(request, body)
        if not self._allowed(request.headers.get("authorization", "")):
            detail = "Required to provide Auth information"
            headers = {"WWW-Authenticate": 'Basic realm="Service-now"'}
            return failure(401, "User Not Authenticated", detail, headers)
        parts = path.removeprefix("/api/now/").split("/")
        if parts and parts[0] in {"v1", "v2"}:
            del parts[0]
        match parts:
            case ["table", table] if table in FIELDS:
                return self._table(request, table, body)
            case ["table", table, sys_id] if table in FIELDS:
                return self._record(request, table, sys_id, body)
            case ["table", table, *_]:
                return failure(400, f"Invalid table {table}")
            case ["attachment", *rest]:
                return self._attachment(request, rest, body)
        return failure(400, "Requested URI does not represent any resource", path)

    # ---- who may --------------------------------------------------------------------------------------------------

    def _allowed(self, said: str) -> bool:
        kind, _, value = said.partition(" ")
        if kind == "Bearer":
            return self.instance.takes(value)
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return False
        return kind == "Basic" and (user, password) == (self.instance.user, self.instance.password)

    def _token(self, request: Request, body: bytes) -> Response:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return JSONResponse({"error": "server_error", "error_description": "access_denied"}, status_code=401)
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=401)
        if (form.get("client_id"), form.get("client_secret")) != (self.instance.client_id, self.instance.client_secret):
            return JSONResponse({"error": "server_error", "error_description": "access_denied"}, status_code=401)
        token = {"access_token": self.instance.new_token(), "scope": "useraccount", "token_type": "Bearer"}
        return JSONResponse(token | {"expires_in": self.instance.token_seconds})

    # ---- the Table API --------------------------------------------------------------------------------------------

    def _table(self, request: Request, table: str, body: bytes) -> Response:
        instance, params = self.instance, request.query_params
        if request.method == "POST":
            if instance.settings.get("read_only"):
                return failure(403, "Operation Failed", "ACL Exception Insert Failed due to security constraints")
            try:
                values = self._values(params.get("sysparm_input_display_value"), body)
                row = instance.insert(table, values)
            except ForbiddenError as error:
                return failure(403, "Operation Failed", str(error))
            except ValueError as error:
                return failure(400, "Exception while reading request", str(error))
            headers = {"Location": f"{instance.url}/api/now/table/{table}/{row['sys_id']}"}
            return JSONResponse({"result": self._shown(request, table, row)}, status_code=201, headers=headers)
        if request.method != "GET":
            return failure(405, "Method not supported")
        if table == "sys_journal_field" and instance.settings.get("journal") == "forbidden":
            return failure(403, "User Not Authorized", "Failed API level ACL Validation")
        hidden = table == "sys_journal_field" and instance.settings.get("journal") == "hidden"
        rows = matching(
            list(instance.tables[table].values()), params.get("sysparm_query", ""), frozenset(FIELDS[table])
        )
        offset = int(params.get("sysparm_offset", "0"))
        limit = min(int(params.get("sysparm_limit", "10000")), instance.page_cap)
        page = [] if hidden else rows[offset : offset + limit]
        headers = {"X-Total-Count": str(len(rows))}
        if len(rows) > limit:
            headers["Link"] = _links(request, instance.url, offset, limit, len(rows))
        return JSONResponse({"result": [self._shown(request, table, dict(row)) for row in page]}, headers=headers)

    def _record(self, request: Request, table: str, sys_id: str, body: bytes) -> Response:
        row = self.instance.tables[table].get(sys_id)
        if row is None:
            return failure(404, *NO_RECORD)
        if request.method in {"PATCH", "PUT"}:
            try:
                self.instance.update(table, row, self._values(None, body))
            except ForbiddenError as error:
                return failure(403, "Operation Failed", str(error))
            except ValueError as error:
                return failure(400, "Exception while reading request", str(error))
        elif request.method == "DELETE":
            self.instance.delete(table, sys_id)
            return Response(status_code=204)
        elif request.method != "GET":
            return failure(405, "Method not supported")
        return JSONResponse({"result": self._shown(request, table, row)})

    def _values(self, by_name: str | None, body: bytes) -> dict[str, str]:
        said = json.loads(body or b"{}")
        if not isinstance(said, dict):
            raise ValueError("The payload is not an object")
        values = {name: "" if value is None else str(value) for name, value in said.items()}
        if by_name == "true" and "assignment_group" in values:
            groups = self.instance.tables["sys_user_group"].values()
            found = [group["sys_id"] for group in groups if group["name"] == values["assignment_group"]]
            values["assignment_group"] = found[0] if found else ""
        return values

    def _shown(self, request: Request, table: str, row: dict[str, str]) -> dict[str, Any]:
        params = request.query_params
        fields = [name for name in params.get("sysparm_fields", "").split(",") if name]
        links = params.get("sysparm_exclude_reference_link") != "true"
        return self.instance.shown(table, row, fields, params.get("sysparm_display_value", "false"), links)

    # ---- the Attachment API ---------------------------------------------------------------------------------------

    def _attachment(self, request: Request, rest: list[str], body: bytes) -> Response:
        instance, params = self.instance, request.query_params
        match (request.method, rest):
            case ("GET", []):
                return self._table(request, "sys_attachment", body)
            case ("GET", [sys_id]) if sys_id in instance.files:
                return JSONResponse({"result": instance.tables["sys_attachment"][sys_id]})
            case ("GET", [sys_id, "file"]) if sys_id in instance.files:
                kind = instance.tables["sys_attachment"][sys_id]["content_type"]
                return Response(instance.files[sys_id], media_type=kind)
            case ("DELETE", [sys_id]) if sys_id in instance.files:
                del instance.files[sys_id]
                instance.delete("sys_attachment", sys_id)
                return Response(status_code=204)
            case ("POST", ["file"]):
                table, record, name = (params.get(key, "") for key in ("table_name", "table_sys_id", "file_name"))
                if not (table and record and name and request.headers.get("content-type")):
                    return failure(400, "Missing required parameter", "table_name, table_sys_id, file_name")
                if record not in instance.tables.get(table, {}):
                    return failure(404, *NO_RECORD)
                values = {
                    "file_name": name,
                    "content_type": request.headers["content-type"],
                    "size_bytes": str(len(body)),
                    "table_name": table,
                    "table_sys_id": record,
                }
                row = instance.insert("sys_attachment", values)
                instance.files[row["sys_id"]] = body
                return JSONResponse({"result": row}, status_code=201)
        return failure(404, *NO_RECORD)


async def _cut() -> Any:
    yield b"{"
    raise ConnectionResetError


def _links(request: Request, url: str, offset: int, limit: int, total: int) -> str:
    def link(start: int, rel: str) -> str:
        params = dict(request.query_params) | {"sysparm_offset": str(start), "sysparm_limit": str(limit)}
        return f'<{url}{request.url.path}?{urlencode(params)}>;rel="{rel}"'

    links = [link(0, "first")]
    if offset > 0:
        links.append(link(max(offset - limit, 0), "prev"))
    if offset + limit < total:
        links.append(link(offset + limit, "next"))
    links.append(link((total - 1) // limit * limit, "last"))
    return ",".join(links)


def create_app(instance: FakeInstance) -> Starlette:
    """Return the application."""
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", App(instance).serve, methods=methods)])
