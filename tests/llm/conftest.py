"""A real HTTP server on the loopback that speaks OpenAI's protocol, asks for a token, and fails on demand."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOKEN = "secret-token"


class ChatServer:
    """Answers through ``model(body) -> text or completion``; ``faults`` are used up one a request."""

    def __init__(self, model):
        self.model, self.faults, self.bodies, self.delay, self.hang = model, [], [], 0.0, 3.0
        self.asked, self.answered, self.at_once, self.most = Counter(), Counter(), 0, 0
        self.times, self.lock = [], threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                outer.handle(self)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def handle(self, request):
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        question = f"{body['messages'][-1]['content']} #{body.get('seed')}"
        with self.lock:
            self.bodies.append(body)
            self.times.append(time.monotonic())
            self.asked[question] += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            fault = self.faults.pop(0) if self.faults else None
        try:
            self.answer(request, body, fault)
            self.answered[question] += fault is None
        except (BrokenPipeError, ConnectionResetError):
            request.close_connection = True
        finally:
            with self.lock:
                self.at_once -= 1

    def answer(self, request, body, fault):
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.send(request, 401, b'{"error": {"message": "wrong key"}}')
        if isinstance(fault, tuple):
            code, headers = fault
            return self.send(request, code, b'{"error": {"message": "busy"}}', headers)
        if fault == "hang":
            time.sleep(self.hang)
        time.sleep(self.delay)
        found = self.model(body)
        if isinstance(found, str):
            message = {"role": "assistant", "content": found}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            found = {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
        data = json.dumps(found).encode()
        if fault == "half":
            return self.send(request, 200, data[: len(data) // 2])
        if fault == "cut":
            request.send_response(200)
            request.send_header("content-length", str(len(data)))
            request.end_headers()
            request.wfile.write(data[:10])
            request.close_connection = True
            return None
        return self.send(request, 200, data)

    @staticmethod
    def send(request, code, data, headers=()):
        request.send_response(code)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(data)))
        for name, value in dict(headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve():
    """Return a function that starts a server in front of a model; all are closed afterwards."""
    started = []

    def start(model=lambda body: f"echo {body['messages'][-1]['content']} {body['seed']}"):
        started.append(ChatServer(model))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def token():
    """Return the token that the servers ask for."""
    return TOKEN
