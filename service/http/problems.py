"""Errors as ``application/problem+json`` (RFC 9457), in one clear line of Chinese and English.

``type`` is ``urn:hoistway:problem:<code>``; ``title`` and ``detail`` are English, ``text`` holds
both languages (what is particular to the case stands in the English ones only). Exceptions of the
database become 503: the caller should try again, not give up.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from alerting.errors import StoreUnavailableError
from ingest.store.errors import Unavailable

log: Final = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class Code(Enum):
    """Kinds of problems: name, status, Chinese, English."""

    NO_KEY = ("no_key", 401, "缺少 API 密钥", "an API key is needed")
    UNKNOWN_KEY = ("unknown_key", 401, "API 密钥无效或已吊销", "the API key is unknown or revoked")
    FORBIDDEN = ("forbidden", 403, "该密钥的角色无权执行此操作", "the key's role may not do this")
    NOT_FOUND = ("not_found", 404, "未找到", "there is no such thing")
    NOT_ALLOWED = ("method_not_allowed", 405, "不支持该方法", "this path has no such method")
    CONFLICT = ("conflict", 409, "当前状态不允许此操作", "the state does not allow this")
    TOO_LARGE = ("too_large", 413, "请求体过大", "the body is too large")
    INVALID = ("invalid", 422, "请求内容无效", "the request is not valid")
    PAUSED = ("paused", 503, "暂停接收，请稍后重试", "intake is paused, try again later")
    DATABASE = ("database", 503, "数据库不可用，请稍后重试", "no database now, try again later")
    INTERNAL = ("internal", 500, "内部错误", "an error of the service, see its log")

    def __init__(self, slug: str, status: int, zh: str, en: str) -> None:
        self.slug = slug
        self.status = status
        self.zh = zh
        self.en = en


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An answer other than 2xx: a code, what exactly, and extra headers."""

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail or code.en)
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> Response:
        """Return it as an answer."""
        code = self.code
        en = f"{code.en}: {self.detail}" if self.detail else code.en
        body = {
            "type": f"urn:hoistway:problem:{code.slug}",
            "title": code.en,
            "status": code.status,
            "code": code.slug,
            "detail": en,
            "text": {"zh": code.zh, "en": en},
            **self.more,
        }
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return Response(content, code.status, self.headers, MEDIA_TYPE)


def install(app: FastAPI, retry_after_s: int) -> None:
    """Turn every exception of ``app`` into a problem."""
    later = {"Retry-After": str(retry_after_s)}

    async def problem(_request: Request, error: Problem) -> Response:
        if error.code.status == 503:
            error.headers.setdefault("Retry-After", str(retry_after_s))
        return error.response()

    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"where": [str(p) for p in e["loc"]], "what": e["msg"]} for e in error.errors()[:20]
        ]
        first = errors[0] if errors else {"where": [], "what": ""}
        detail = f"{'.'.join(first['where'])}: {first['what']}"
        return Problem(Code.INVALID, detail, errors=errors).response()

    async def plain(_request: Request, error: HTTPException) -> Response:
        codes = {c.status: c for c in (Code.NOT_FOUND, Code.NOT_ALLOWED, Code.TOO_LARGE)}
        return Problem(codes.get(error.status_code, Code.INVALID), headers=error.headers).response()

    async def no_database(_request: Request, error: Exception) -> Response:
        log.warning("request_failed_without_database", error=f"{type(error).__name__}: {error}")
        return Problem(Code.DATABASE, headers=later).response()

    async def internal(request: Request, error: Exception) -> Response:
        log.error("request_failed", path=request.url.path, exc_info=error)
        return Problem(Code.INTERNAL).response()

    app.add_exception_handler(Problem, problem)  # pyright: ignore[reportArgumentType]
    app.add_exception_handler(RequestValidationError, invalid)  # pyright: ignore[reportArgumentType]
    app.add_exception_handler(HTTPException, plain)  # pyright: ignore[reportArgumentType]
    for lost in (*DATABASE_LOST, StoreUnavailableError, Unavailable, OSError, TimeoutError):
        app.add_exception_handler(lost, no_database)
    app.add_exception_handler(Exception, internal)


DATABASE_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.UndefinedTableError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What the driver raises when the database is gone, full, unfinished or overloaded: not the
caller's fault, and worth another try."""
