"""The web app of a listening test."""

import sqlite3
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from nst_lib import __version__
from nst_lib.survey import messages
from nst_lib.survey.answers import Answers, hash_secret
from nst_lib.survey.guard import Guard
from nst_lib.survey.hosts import Hosts
from nst_lib.survey.kinds.block import AnswerError
from nst_lib.survey.routes import api
from nst_lib.survey.state import State
from nst_lib.survey.survey import Survey

#: Type of the files of the page, by their ending.
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
#: Addresses of pages that are not the names of their files.
ADDRESSES = {"index.html": "/", "admin.html": "/admin"}
NOT_NOW = "the server cannot store anything at the moment; try again later"
#: Message of the framework -> our message.
_MESSAGES = {
    "Not Found": "there is nothing at this address",
    "Method Not Allowed": "this method is not accepted at this address",
}


def create_app(
    survey: Survey, answers: Answers, admin_token: str, hosts: Hosts, key: bytes | None = None
) -> FastAPI:
    """Return the app of a survey.

    Parameters
    ----------
    survey : Survey
        The survey.
    answers : Answers
        Its answers.
    admin_token : str
        The token of the admin view.
    hosts : Hosts
        The host names under which the server answers.
    key : bytes or None
        Key under which the identities of participants are hashed, if they have some.
    """
    app = FastAPI(
        title="Listening test",
        version=__version__,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.survey = State(survey, answers, hash_secret(admin_token), key)
    pages = APIRouter(include_in_schema=False)
    for path, file in page_files().items():
        pages.add_api_route(path, _page(file, TYPES[file.suffix]))
    app.include_router(pages)
    app.include_router(api)
    app.exception_handler(RequestValidationError)(_on_bad_request)
    app.exception_handler(AnyHTTPException)(_on_problem)
    app.exception_handler(AnswerError)(_on_wrong_answer)
    app.exception_handler(sqlite3.Error)(_on_no_storage)
    app.add_middleware(Guard, hosts=hosts)
    return app


def page_files() -> dict[str, Path]:
    """Return the address of each file of the page."""
    with resources.as_file(resources.files(__package__) / "page") as folder:
        files = sorted(one for one in folder.rglob("*") if one.suffix in TYPES)
        names = {one: one.relative_to(folder).as_posix() for one in files}
    return {ADDRESSES.get(name, f"/{name}"): one for one, name in names.items()}


def _page(file: Path, kind: str) -> Callable[[], Response]:
    def page() -> Response:
        if not file.is_file():
            raise HTTPException(404)
        return Response(file.read_bytes(), media_type=kind)

    return page


async def _on_bad_request(_request: Request, error: RequestValidationError) -> Response:
    return JSONResponse({"error": messages.complain(error.errors())}, 422)


async def _on_wrong_answer(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


async def _on_problem(_request: Request, error: AnyHTTPException) -> Response:
    if error.status_code == 400:  # the body is not valid JSON
        return JSONResponse({"error": messages.complain([])}, 422)
    detail: Any = error.detail  # a text, or a mapping with "error" and more
    text = _MESSAGES.get(str(detail), detail)
    content = detail if isinstance(detail, Mapping) else {"error": text}
    return JSONResponse(content, error.status_code, error.headers)


async def _on_no_storage(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": NOT_NOW}, 503, {"Retry-After": "5"})
