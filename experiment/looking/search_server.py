"""A server for the pages of searches, which are files below ``data_dir``."""

import html
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from experiment.looking.mlflow_server import answer_of
from interface.run_files import SEARCH_PAGE

_SHOWN = (".html", ".mp4", ".gif")
_WHO = "/data_dir"
_DEPTHS = ("*/*/*", "searches/*")  # <env>/<algorithm>/<study>, and those over a script


def pages_in(data_dir: Path) -> list[Path]:
    """
    List the pages of searches, the newest first.

    :param data_dir: where searches live
    """
    pages = [page for depth in _DEPTHS for page in data_dir.glob(f"{depth}/{SEARCH_PAGE}")]
    return sorted(pages, key=lambda path: path.stat().st_mtime, reverse=True)


def link_to(page: Path, data_dir: Path) -> str:
    """
    Write the part of an address that names a page.

    :param page: below ``data_dir``
    :param data_dir: where searches live
    """
    return quote(page.relative_to(data_dir).as_posix())


def shows_searches_of(server: str, data_dir: Path) -> bool:
    """
    Tell whether a server is one of these, of the same folder.

    :param server: its address
    :param data_dir: where searches live
    """
    try:
        return answer_of(f"{server}{_WHO}").decode(errors="replace") == str(data_dir)
    except (OSError, http.client.HTTPException):
        return False


class _Handler(SimpleHTTPRequestHandler):
    """Gives pages and films, and a list of the pages; nothing else that lies there."""

    def do_GET(self) -> None:
        """Answer."""
        path = urlsplit(self.path).path
        if path == "/":
            self._say(_index(Path(self.directory)), "text/html")
        elif path == _WHO:
            self._say(self.directory, "text/plain")
        else:
            super().do_GET()

    def send_head(self) -> Any:
        """Open a file, if it is one that we show."""
        if unquote(urlsplit(self.path).path).endswith(_SHOWN):
            return super().send_head()
        self.send_error(404)
        return None

    def _say(self, text: str, kind: str) -> None:
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        """Have a page read anew each time: it changes."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _index(data_dir: Path) -> str:
    items = [
        f"<li><a href='{link_to(page, data_dir)}'>"
        f"{html.escape(' / '.join(page.relative_to(data_dir).parts[:-1]))}</a></li>"
        for page in pages_in(data_dir)
    ]
    return (
        "<!doctype html><meta charset='utf-8'><title>Searches</title>"
        "<body style='font-family: sans-serif; max-width: 60em; margin: 2em auto'>"
        f"<h1>Searches</h1>{'<ul>' + ''.join(items) + '</ul>' if items else 'There is none yet.'}"
    )


@contextmanager
def search_server(data_dir: Path, host: str, port: int) -> Iterator[None]:
    """
    Serve the pages of searches during the block, in threads of their own.

    :param data_dir: where searches live
    :param host: to listen to
    :param port: to listen to
    """
    server = ThreadingHTTPServer((host, port), partial(_Handler, directory=str(data_dir)))
    thread = Thread(target=server.serve_forever, name="pages of searches", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
