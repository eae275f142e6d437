"""The application: the page, and the questions that its script asks."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from pipeline_lib.application.server.answers import Answers, Asked, AskedMutation, AskedPlace
from pipeline_lib.application.server.limits import Refused
from pipeline_lib.application.server.sequences import BadInput
from pipeline_lib.application.server.worker import Worker

PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/files.js": ("files.js", "text/javascript; charset=utf-8"),
    "/plot.js": ("plot.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""All that there is, read once: no path comes from a client."""
SENTENCES = {404: "There is no such page.", 405: "This is asked for in another way."}


def make_app(answers: Answers, worker: Worker) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    answers
        Answers questions.
    worker
        Does the work for them.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_pages(app)
    _add_errors(app)

    async def answer(request: Request, work: Callable[[Callable[[], None]], Any]) -> Response:
        return JSONResponse(await worker.run(work, request.is_disconnected))

    @app.get("/api/models")
    async def models() -> Response:
        return JSONResponse(answers.about())

    @app.post("/api/tracks")
    async def tracks(asked: Asked, request: Request) -> Response:
        return await answer(request, lambda check: answers.tracks(asked, check))

    @app.post("/api/mutate")
    async def mutate(asked: AskedMutation, request: Request) -> Response:
        return await answer(request, lambda check: answers.mutate(asked, check))

    @app.post("/api/substitutions")
    async def substitutions(asked: AskedPlace, request: Request) -> Response:
        return await answer(request, lambda check: answers.substitutions(asked, check))

    return app


def _add_pages(app: FastAPI) -> None:
    folder = files("pipeline_lib.application.server") / "page"
    for path, (name, kind) in PAGES.items():
        content = (folder / name).read_bytes()
        app.api_route(path, methods=["GET", "HEAD"])(_constant(content, kind))


def _constant(content: bytes, kind: str) -> Callable[[Request], Any]:
    async def page(_: Request) -> Response:
        return Response(content, headers={"content-type": kind})

    return page


def _add_errors(app: FastAPI) -> None:
    """Let every error be a sentence."""

    async def bad_input(_: Request, error: Exception) -> Response:
        return _sentence(422, str(error))

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return _sentence(error.status, error.sentence, error.wait)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return _sentence(400, "The request is no valid JSON.")
        place = ".".join(str(part) for part in first["loc"][1:])[:100]
        return _sentence(422, f"{place or 'The request'}: {first['msg']}.")

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _sentence(
            error.status_code, SENTENCES.get(error.status_code, "The request is not understood.")
        )

    async def ours(_: Request, error: Exception) -> Response:
        return _sentence(500, "Something went wrong here; see the server's log.")

    app.add_exception_handler(BadInput, bad_input)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, ours)


def _sentence(status: int, text: str, wait: int | None = None) -> Response:
    headers = {} if wait is None else {"retry-after": str(wait)}
    clean = text.encode("utf-8", "replace").decode()
    return JSONResponse({"error": clean}, status, headers=headers)
