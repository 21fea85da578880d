"""What a mirror leaves behind, read back, and a Comet that fails as told."""

import gzip
import json
import threading
import time
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

KEY = "never0show1this2key3to4anyone"


def messages_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read all archives: the messages of each run, in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / "comet/archives").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            run_id = json.loads(archive.read("experiment.json"))["offline_id"]
            lines = archive.read("messages.json").decode().splitlines()
        found.setdefault(run_id, []).extend(json.loads(line) for line in lines)
    return found


def points_in(messages: list[dict[str, Any]]) -> Counter:
    return Counter(
        (
            metric["metricName"],
            metric["step"],
            message["payload"]["local_timestamp"],
            metric["metricValue"],
        )
        for message in messages
        if message["type"] == "metric_msg"
        for metric in [message["payload"]["metric"]]
    )


def others_in(messages: list[dict[str, Any]]) -> dict[str, str]:
    return {
        message["payload"]["key"]: message["payload"]["value"]
        for message in messages
        if message["type"] == "log_other"
    }


def params_in(messages: list[dict[str, Any]]) -> dict[str, str]:
    return {
        param["paramName"]: param["paramValue"]
        for message in messages
        if message["type"] == "parameter_msg"
        for param in [message["payload"]["param"]]
    }


def points_of(client: MlflowClient, run: Run) -> Counter:
    """Read all metrics of a run from MLflow."""
    return Counter(
        (key, point.step, point.timestamp, point.value)
        for key in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, key)
    )


ALIVE = {
    f"{name}_millis": 10_000
    for name in (
        "is_alive_beat_duration",
        "gpu_monitor_interval",
        "cpu_monitor_interval",
        "parameter_update_interval",
    )
}
STARTED = {"runId": "r", "project_id": "p", "is_github": False, "focusLink": "here"}


class Comet:
    """A Comet on loopback that keeps the points that it gets, and fails as told."""

    def __init__(self) -> None:
        self.fails_as = "nothing"
        self.n_good_answers = 10**9
        self.delay_seconds = 0.0
        self.points: list[tuple[str, int, int, float]] = []
        comet = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                comet.answer(self)

            def do_GET(self) -> None:
                comet.answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.env = {
            "COMET_URL_OVERRIDE": f"http://127.0.0.1:{self.server.server_port}/clientlib/",
            "COMET_GET_OR_ADD_EXPERIMENT_RETRY_TOTAL": "1",
            "COMET_HTTP_SESSION_RETRY_TOTAL": "1",
            "COMET_API_KEY": KEY,
        }

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        time.sleep(self.delay_seconds)
        self.n_good_answers -= 1
        broken = self.n_good_answers < 0
        if broken and self.fails_as == "reset":
            request.connection.close()
            return
        code, reply = (500, {}) if broken and self.fails_as == "500" else self.reply(request, body)
        content = json.dumps(reply).encode()
        request.send_response(code)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def reply(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, Any]]:
        if "/run" in request.path:
            given = json.loads(body)
            if given["apiKey"] != KEY:
                return 400, {"msg": "no such key", "sdk_error_code": 90212}
            if given.get("teamName") == "nowhere":
                return 400, {"msg": "no such workspace", "sdk_error_code": 90219}
            return 200, {"msg": "ok", **STARTED}
        if request.path.endswith("batch/logger/experiment/metric"):
            zipped = request.headers.get("Content-Encoding") == "gzip"
            content = json.loads(gzip.decompress(body) if zipped else body)
            self.points += [
                (one["metricName"], one["step"], one["timestamp"], one["metricValue"])
                for one in content["values"]
            ]
        return 200, {"msg": "ok", **ALIVE}
