from __future__ import annotations

import contextlib
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fiqa.deploy.scorer import Scorer
from fiqa.serve.pages import FILES
from served import BLACK, BRIGHT, DARK, GREY, encoded, running


def post(client, *contents, path="/v1/score", field="images", **options):
    files = [(field, (f"{n}.png", content)) for n, content in enumerate(contents)]
    return client.post(path, files=files, **options)


def problem(answer, status):
    assert answer.status_code == status
    assert set(answer.json()) == {"reason", "message"}
    return answer.json()["reason"]


def test_one_or_many_images_in_order(client, scorer):
    answer = post(client, DARK, b"<svg xmlns='http://www.w3.org/2000/svg'/>", BRIGHT, BLACK)
    assert answer.status_code == 200
    said = answer.json()
    assert said["model"] == {"name": "tiny", "sha256": scorer.card.sha256}
    assert [image["name"] for image in said["images"]] == ["0.png", "1.png", "2.png", "3.png"]
    reasons = [image["problem"] and image["problem"]["reason"] for image in said["images"]]
    assert reasons == [None, "not_an_image", None, "no_face"]
    (dark,), bright = said["images"][0]["faces"], said["images"][2]["faces"]
    assert dark["box"] == {"left": 20, "top": 30, "right": 60, "bottom": 80}
    assert dark["landmarks"][0] == {"x": 32, "y": 50}
    assert dark["score"] == pytest.approx(60, abs=3)
    assert dark["score100"] == pytest.approx(100 * 60 / 255, abs=2)
    assert dark["expected_fnmr"] == 0.2  # the calibration ends at a score of 10
    assert "too dark" in [reason["words"] for reason in dark["reasons"]]
    assert [face["box"]["left"] for face in bright] == [20, 0]
    assert post(client, DARK).json()["images"] == said["images"][:1]


def test_the_worse_image_decides_a_comparison(client):
    for order, worse in (((DARK, BRIGHT), 0), ((BRIGHT, DARK), 1)):
        said = post(client, *order, path="/v1/compare").json()
        assert said["worse"] == worse
        face = said["faces"][worse]
        assert said["quality"] == {name: face[name] for name in said["quality"]}
        assert said["quality"]["score"] == min(one["score"] for one in said["faces"])
        assert said["match_reliability"] == pytest.approx(0.8)
    assert problem(post(client, DARK, path="/v1/compare"), 422) == "two_images_needed"
    answer = post(client, DARK, BLACK, path="/v1/compare")
    assert problem(answer, 422) == "no_face"
    assert answer.json()["message"].startswith("second image: no face")


def test_without_a_calibration_nothing_is_promised(scorer, monkeypatch):
    known = scorer.crops
    monkeypatch.setattr(
        scorer, "crops", lambda crops: {n: c for n, c in known(crops).items() if n != "expected_fnmr"}
    )
    with running(scorer) as client:
        said = post(client, DARK, GREY, path="/v1/compare").json()
    assert said["match_reliability"] is said["quality"]["expected_fnmr"] is None


def test_a_heat_map_of_one_face(client):
    answer = post(client, BRIGHT, path="/v1/explain?face=1", field="image")
    said = answer.json()
    assert np.array(said["heat_map"]["cells"]).shape == (14, 14)
    assert said["face"]["box"]["left"] == 0
    answer = post(client, BRIGHT, path="/v1/explain?face=2", field="image")
    assert problem(answer, 422) == "no_such_face"
    assert answer.json()["message"] == "the image has 2 faces, numbered from 0; got 2"
    assert problem(post(client, b"", path="/v1/explain", field="image"), 422) == "not_an_image"
    assert problem(post(client, BRIGHT, path="/v1/explain?face=-1", field="image"), 422) == "malformed"


def test_what_is_served(client, scorer):
    assert client.get("/healthz").json() == {"status": "ok"}
    (model,) = client.get("/v1/models").json()["models"]
    assert model["sha256"] == scorer.card.sha256
    assert model["calibration"] == {"recogniser": "tiny", "reference": "set", "fmr": None, "threshold": 0.5}
    assert (model["reference"], model["n_reference"]) == ("whole numbers", 101)


@pytest.mark.parametrize("path", ["/", "/page.js", "/healthz"])
def test_head_tells_what_get_would(client, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers["content-length"] == got.headers["content-length"]


def test_what_cannot_be_served(client):
    assert problem(client.post("/v1/score", files={"other": b"x"}), 422) == "malformed"
    assert problem(client.post("/v1/score", json={"images": []}), 415) == "not_multipart"
    assert problem(post(client, *[BLACK] * 33), 413) == "too_many_images"
    assert problem(client.get("/v1/score"), 405) == "method_not_allowed"
    assert problem(client.get("/gone"), 404) == "not_found"
    cut = {"content-type": "multipart/form-data; boundary=x"}
    assert problem(client.post("/v1/score", content=b"--x\r\nnothing", headers=cut), 422) == "malformed"
    assert problem(client.post("/v1/score", content=b"nothing", headers=cut), 400) == "malformed"
    answer = client.post("/v1/score", content=b"--x--", headers={"content-type": "multipart/form-data"})
    assert problem(answer, 400) == "malformed"
    text = client.post("/v1/score", files={"images": (None, "text")})
    assert problem(text, 422) == "malformed"


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "idna", "undefined", "utf-16", "hex"])
def test_names_in_any_encoding(client, charset):
    head = b'--x\r\nContent-Disposition: form-data; name="images"; filename="\\ud800+2AA-\xff"'
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = client.post("/v1/score", content=head + b"\r\n\r\n\r\n--x--\r\n", headers={"content-type": kind})
    assert answer.status_code in (200, 400, 422)
    if charset == "unicode_escape":
        assert answer.json()["images"][0]["name"].startswith("?")  # half of a pair is no text


def test_long_names_are_cut(client):
    answer = client.post("/v1/score", files={"images": ("é" * 1000, DARK)})
    assert answer.json()["images"][0]["name"] == "é" * 255


def test_too_many_bytes_declared_or_not(scorer):
    with running(scorer, request_bytes=100_000) as client:
        assert problem(post(client, bytes(200_000)), 413) == "too_many_bytes"
        assert post(client, DARK).status_code == 200  # the connection goes on

        def endless():
            yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
            for _ in range(30):
                yield bytes(10_000)

        kind = {"content-type": "multipart/form-data; boundary=x"}
        answer = client.post("/v1/score", content=endless(), headers=kind)
        assert problem(answer, 413) == "too_many_bytes"


def test_a_request_has_to_arrive_in_time(scorer):
    with running(scorer, seconds=0.3) as client:
        head = "POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n"
        with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as line:
            line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x".encode())
            assert b"408" in line.recv(4096)


def test_a_token_is_asked_for(scorer):
    with running(scorer, token="søsam") as client:
        for path in ("/", "/healthz", "/page.js", "/openapi.json"):
            assert client.get(path).status_code == 200
        for given in ({}, {"authorization": "Bearer x"}, {"authorization": b"Basic s\xc3\xb8sam"}):
            answer = post(client, DARK, headers=given)
            assert problem(answer, 401) == "unauthorised"
            assert answer.headers["www-authenticate"] == "Bearer"
        assert problem(client.get("/metrics"), 401) == "unauthorised"
        assert client.get("/metrics", headers={"authorization": "Bearer søsam".encode()}).status_code == 200
        schema = client.get("/openapi.json").json()
        assert schema["paths"]["/v1/score"]["post"]["security"] == [{"HTTPBearer": []}]
    with running(scorer, token="sesame") as client:
        good = {"authorization": "bearer sesame"}
        assert post(client, DARK, headers=good).status_code == 200
        assert client.get("/metrics", headers=good).status_code == 200


class Held:
    """A scorer that waits for a word before it looks."""

    def __init__(self, scorer):
        self._scorer, self.go, self.begun = scorer, threading.Event(), threading.Semaphore(0)

    def __getattr__(self, name):
        return getattr(self._scorer, name)

    def extract(self, image):
        self.begun.release()
        assert self.go.wait(10)
        return self._scorer.extract(image)


def test_a_full_queue_refuses_at_once_and_recovers(scorer):
    held = Held(scorer)
    with running(held, workers=1, images=2, queue=3) as client, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(post, client, DARK) for _ in range(2)]
        assert held.begun.acquire(timeout=10)
        while client.app.state.service.batcher.load < 2:
            threading.Event().wait(0.01)
        answer = post(client, DARK, GREY)  # two places are wanted, one is free
        assert problem(answer, 429) == "busy"
        assert answer.headers["retry-after"] == "1"
        waiting.append(pool.submit(post, client, GREY))
        while client.app.state.service.batcher.load < 3:
            threading.Event().wait(0.01)
        assert problem(post(client, DARK), 429) == "busy"
        assert client.get("/healthz").status_code == 200
        held.go.set()
        assert [future.result().status_code for future in waiting] == [200, 200, 200]
        assert post(client, DARK, GREY).status_code == 200
        assert 'fiqa_requests_total{path="/v1/score",status="429"} 2.0' in client.get("/metrics").text


@contextlib.contextmanager
def unfinished(client, *, declared, sent):
    """A request that stops after some of the bytes that it declares."""
    head = f"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: {declared}\r\n"
    begin = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
    with socket.create_connection((client.base_url.host, client.base_url.port)) as line:
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
        line.sendall((begin + bytes(sent))[:sent])
        yield


def until(client, status, image):
    """Post the image until it is answered so, 2 s at most."""
    for _ in range(100):
        if (answer := post(client, image)).status_code == status:
            return answer
        threading.Event().wait(0.02)
    return answer


def test_requests_on_their_way_hold_a_bounded_number_of_bytes(scorer):
    image = encoded(np.random.default_rng(0).integers(0, 200, (130, 130, 3), dtype=np.uint8))
    assert 50_000 < len(image) < 60_000
    with running(scorer, request_bytes=60_000, bytes_in_flight=100_000) as client:
        with unfinished(client, declared=59_000, sent=50_000):
            assert problem(until(client, 429, image), 429) == "busy"
            assert post(client, DARK).status_code == 200
        assert until(client, 200, image).status_code == 200


def test_senders_that_idle_keep_nobody_out(scorer):
    small = {"images": 2, "queue": 3, "request_bytes": 60_000, "bytes_in_flight": 100_000}
    with running(scorer, **small) as client, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(unfinished(client, declared=60_000, sent=100))
        threading.Event().wait(0.2)
        assert post(client, DARK, GREY).status_code == 200


def test_an_unexpected_error_is_typed_and_the_service_goes_on(scorer, monkeypatch, caplog):
    with running(scorer) as client:
        with monkeypatch.context() as patched:
            patched.setattr(scorer, "rate", lambda found: 1 / 0)
            answer = post(client, DARK)
            assert problem(answer, 500) == "internal"
            assert answer.json()["message"] == "this is a bug: ZeroDivisionError"
            assert "POST /v1/score" in caplog.text
            assert "test_app.py" in caplog.text  # where it was raised
        assert post(client, DARK).status_code == 200
        assert 'fiqa_requests_total{path="/v1/score",status="500"} 1.0' in client.get("/metrics").text


def test_metrics_count(scorer):
    with running(scorer) as client:
        post(client, DARK, BRIGHT, BLACK, b"")
        client.get("/somewhere")
        answer = client.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        for line in (
            'fiqa_images_total{outcome="scored"} 2.0',
            'fiqa_images_total{outcome="no_face"} 1.0',
            'fiqa_images_total{outcome="not_an_image"} 1.0',
            "fiqa_score100_count 3.0",
            'fiqa_requests_total{path="other",status="404"} 1.0',
            'fiqa_request_seconds_count{path="/v1/score"} 1.0',
            "fiqa_queue_images 0.0",
        ):
            assert f"\n{line}\n" in answer.text


def test_the_model_may_go_away_while_it_is_served(model, tmp_path):
    copies = [tmp_path / path.name for path in (model, model.with_suffix(".card.json"))]
    for path, source in zip(copies, (model, model.with_suffix(".card.json")), strict=True):
        path.write_bytes(source.read_bytes())
    with running(Scorer(copies[0], face="all", threads=1)) as client:
        for path in copies:
            path.unlink()
        assert post(client, BRIGHT).status_code == 200
        assert client.get("/v1/models").status_code == 200


def test_the_page_needs_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert {"/", "/page.css", "/page.js"} <= set(FILES)
    for path in FILES:
        text = client.get(path).text
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg", "https://"}
