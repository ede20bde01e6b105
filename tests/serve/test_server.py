from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from fiqa.core.errors import MissingDependencyError, SettingsError
from fiqa.serve.server import listening, serve
from served import GREY


@contextmanager
def command(*options):
    """`fiqa serve` in a process of its own, and what it writes."""
    words = [sys.executable, "-m", "fiqa", "serve", *map(str, options)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_serves_and_stops_gracefully(model):
    with command("--model", model, "--port", 0) as process:
        line = process.stderr.readline()
        address = re.match(r"serving at (http://127\.0\.0\.1:\d+/) \(Ctrl-C stops\)", line)[1]
        answers = []

        def ask():
            answers.append(httpx.post(f"{address}v1/score", files=[("images", GREY)] * 32, timeout=60))

        asking = threading.Thread(target=ask)
        asking.start()
        while not answers and "fiqa_queue_images 0.0" in httpx.get(f"{address}metrics").text:
            pass  # until it is in work
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert answers[0].status_code == 200  # what was let in is answered
        assert len(answers[0].json()["images"]) == 32
        assert process.wait(20) in (0, -signal.SIGTERM)
        assert process.stderr.read() == ""


def test_ctrl_c_is_no_error(model):
    with command("--model", model, "--port", 0) as process:
        address = process.stderr.readline().split()[2]
        assert httpx.get(f"{address}healthz", timeout=20).status_code == 200  # it runs by now
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_a_port_in_use_is_one_clear_line(model):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with command("--model", model, "--port", port) as process:
            assert process.wait(30) == 2
            said = process.stderr.read()
    assert said == (
        f"error: cannot listen on 127.0.0.1 port {port}: Address already in use; "
        f"choose another by --port, 0 for a free one\n"
    )


def test_a_host_that_is_none_of_this_machine(model):
    with command("--model", model, "--port", 0, "--host", "192.0.2.1", "--token", "x") as process:
        assert process.wait(30) == 2
        assert "192.0.2.1 port 0: " in (said := process.stderr.read())
        assert said.endswith("; --host takes an address of this machine\n")


def test_an_open_address_is_pointed_out(model):
    with command("--model", model, "--port", 0, "--host", "0.0.0.0") as process:
        assert process.stderr.readline() == (
            "anyone who can reach this address can use it; --token asks for one\n"
        )


def test_small_answers_are_sent_at_once(client):
    """Nagle's algorithm would hold the second part of each for the 40 ms of a delayed acknowledgement."""
    client.get("/healthz")
    start = time.perf_counter()
    for _ in range(20):
        client.get("/healthz")
    assert time.perf_counter() - start < 20 * 0.04


def test_addresses():
    with listening("::1", 0) as taken:
        assert taken.family is socket.AF_INET6
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1 port 0: Cannot assign"):
        listening("192.0.2.1", 0)
    with pytest.raises(SettingsError, match="port must be 0-65535"):
        listening("127.0.0.1", 99_999)


def test_settings(model, monkeypatch):
    with pytest.raises(SettingsError, match="workers must be 1 or more, got 0"):
        serve(model, workers=0)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingDependencyError, match=r"uvicorn is needed to serve .*'fiqa\[serve\]'"):
        serve(model)
