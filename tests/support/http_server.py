"""A web server on the loopback that serves files, with the faults that a test asks for."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """The answer to requests for a path. Its faults happen *times* times; later answers are good."""

    data: bytes = b""
    drop_after: int | None = None  # close the connection after so many bytes
    stall_after: int | None = None  # send nothing more after so many bytes
    status: int | None = None
    redirect: str | None = None
    ignore_range: bool = False
    say_length: int | None = None  # a wrong length
    chunked: bool = False
    content_type: str = "application/octet-stream"
    encoding: str | None = None  # the Content-Encoding header; the file is sent unchanged
    then: bytes | None = None  # the file from the second request on
    times: int = 1 << 30


@dataclass
class Web:
    """The server: its behaviour by path, and the requests that it got (path, Range header)."""

    address: str = ""
    paths: dict[str, Behaviour] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"{self.address}{path}"

    def serve(self, path: str, data: bytes, **faults: object) -> str:
        """Answer *path* with *data* and these faults. Return its address."""
        self.paths[path] = Behaviour(data=data, **faults)  # type: ignore[arg-type]
        return self.url(path)

    def asked(self, path: str) -> list[str | None]:
        """Return the Range headers of the requests for *path*."""
        return [wanted for name, wanted in self.requests if name == path]


@contextmanager
def web_server() -> Iterator[Web]:
    """Run a server on 127.0.0.1 until the block ends."""
    web = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(web))
    server.daemon_threads = True
    web.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None:
            """Print nothing."""

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            web.requests.append((self.path, wanted))
            behaviour = web.paths.get(self.path)
            if behaviour is None:
                self.send_error(404)
                return
            faulty = behaviour.times > 0
            behaviour.times -= 1
            data = behaviour.data
            if behaviour.then is not None and len(web.asked(self.path)) > 1:
                data = behaviour.then
            self._answer(behaviour if faulty else Behaviour(data=data), data, wanted)

        def _answer(self, behaviour: Behaviour, data: bytes, wanted: str | None) -> None:
            if behaviour.redirect is not None:
                self.send_response(302)
                self.send_header("Location", behaviour.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if behaviour.status is not None:
                self.send_error(behaviour.status)
                return
            tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            start = 0
            if wanted and not behaviour.ignore_range and self.headers.get("If-Range", tag) == tag:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("ETag", tag)
            self.send_header("Content-Type", behaviour.content_type)
            if behaviour.encoding:
                self.send_header("Content-Encoding", behaviour.encoding)
            self._body(behaviour, data[start:], start)

        def _body(self, behaviour: Behaviour, data: bytes, start: int) -> None:
            if behaviour.chunked:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for at in range(0, len(data), 10_000):
                    piece = data[at : at + 10_000]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
                return
            length = len(data) if behaviour.say_length is None else behaviour.say_length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            for stop in (behaviour.drop_after, behaviour.stall_after):
                if stop is not None:
                    self.wfile.write(data[: max(stop - start, 0)])
                    self.wfile.flush()
                    if stop is behaviour.stall_after:
                        web.released.wait(60)
                    self.close_connection = True
                    return
            self.wfile.write(data)
            self.close_connection = behaviour.say_length is not None

    return Handler
