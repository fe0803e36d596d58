"""What a visitor can do by sending requests directly instead of using the page."""

import asyncio
import json
from functools import partial

import pytest

pytest.importorskip("gradio", reason="the extra `app` is not installed")

from gradio import processing_utils
from starlette.testclient import TestClient

from avforensics.errors import AVForensicsError
from avforensics.serving import gate
from avforensics.serving.jobs import Answer, JobQueue
from avforensics.serving.limits import Limits
from avforensics.serving.page import build_app

ADDRESS = "http://127.0.0.1:7860"
FILE = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    def work(job):
        (job.folder / "report.html").write_text("<p>done</p>")
        return Answer("Done.", {"report.html": job.folder / "report.html"})

    queue = JobQueue(work, tmp_path_factory.mktemp("site"), limits=Limits())
    yield queue
    queue.close()


@pytest.fixture(scope="module")
def make_app(queue):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "")  # so that the settings of `build_app` are undone in the end
        yield partial(build_app, queue, about="", names=["Lab.example"])


@pytest.fixture(scope="module")
def client(make_app):
    with TestClient(make_app(), base_url=ADDRESS) as client:
        yield client


@pytest.fixture(scope="module")
def behind(make_app):
    """A client of gradio without our own gate."""
    with TestClient(make_app().routes[-1].app, base_url=ADDRESS) as client:
        client.get("/gradio_api/startup-events")
        yield client


@pytest.fixture
def secret(make_video):
    return make_video("thesis.mp4", n_frames=30, size=32)


def join(client, *data):
    """Request a score; return the answer and all messages to the page."""
    body = {"fn_index": 0, "session_hash": "x", "data": data}
    answer = client.post("/gradio_api/queue/join", json=body)
    told = ""
    if answer.status_code == 200:
        told = client.get("/gradio_api/queue/data", params={"session_hash": "x"}).text
    return answer, told


def send(client, video, name="talk.mp4"):
    files = {"files": (name, video.read_bytes())}
    (path,) = client.post("/gradio_api/upload", files=files).json()
    return path


def test_an_upload_is_scored(client, secret, queue):
    path = send(client, secret)
    answer, told = join(client, FILE | {"path": path, "orig_name": "talk.mp4"})
    assert answer.status_code == 200
    assert "talk.mp4</b>: Done." in told.encode().decode("unicode_escape")
    assert not any(path.is_file() for path in queue.uploads.folder.rglob("*"))


def test_a_name_is_one_short_line_of_the_log(client, secret, caplog):
    caplog.set_level("INFO")
    name = "a.mp4\n[INFO] forged line" + 60_000 * "o"
    _, told = join(client, FILE | {"path": send(client, secret), "orig_name": name})
    (line,) = (r.getMessage() for r in caplog.records if "Done." in r.getMessage())
    assert "\n" not in line and len(line) < 300 and "\\n[INFO] forged" in line
    assert len(told) < 5000


@pytest.mark.parametrize("stream", [False, True])
def test_a_file_of_this_machine_is_no_upload(client, secret, queue, stream):
    for path in (secret, queue.uploads.folder / "a" / ".." / ".." / secret.name, "/dev/zero"):
        file = FILE | {"path": str(path), "is_stream": stream}
        for made in (file, [file], {"path": "/uploads", "more": [file]}, {"path": file["path"]}):
            answer, _ = join(client, made)
            assert (answer.status_code, answer.text) == (403, "this path is not an upload\n"), made
    assert secret.exists()
    assert list(queue.uploads.folder.iterdir()) == []


@pytest.mark.parametrize("stream", [False, True])
def test_without_the_gate_it_is_none_either(behind, secret, queue, stream):
    answer, told = join(behind, FILE | {"path": str(secret), "is_stream": stream})
    assert answer.status_code == 200
    assert '"success":false' in told and "Done." not in told
    assert str(secret) not in told
    assert secret.exists()
    assert list(queue.uploads.folder.iterdir()) == []


def test_the_queue_deletes_uploads_only(queue, secret):
    (queue.uploads.folder / "link.mp4").symlink_to(secret)
    for path in (secret, queue.uploads.folder / "link.mp4", queue.uploads.folder, "a\0b"):
        with pytest.raises(AVForensicsError, match=r"^the upload was not found"):
            queue.submit(path)
    assert secret.exists()
    (queue.uploads.folder / "link.mp4").unlink()


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_fetched_from_elsewhere(client, monkeypatch, stream):
    fetched = []
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetched.append)
    url = "http://other.example/talk.mp4"
    assert join(client, FILE | {"path": url, "is_stream": stream})[0].status_code == 403
    assert client.get(f"/gradio_api/file={url}").status_code == 404
    assert fetched == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("[::1]:7860", 200),
        ("lab.EXAMPLE:80", 200),
        ("192.168.0.7:7860", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:7860", 403),
        ("evil.example@x:7860", 403),
        ("", 403),
        ("[evil", 400),
    ],
)
def test_another_name_is_refused(client, host, status):
    # scripts of a site whose name resolves to 127.0.0.1 could otherwise read the page
    for path in ("/", "/results/token/report.html"):
        answer = client.get(path, headers={"host": host})
        assert (answer.status_code == 400) == (status == 400)
        assert (answer.status_code == 403) == (status == 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_send_a_video(client, queue, site):
    def send(**headers):
        files = {"files": ("a.mp4", b"0" * 100)}
        return client.post("/gradio_api/upload", files=files, headers=headers).status_code

    before = set(queue.uploads.folder.rglob("*"))
    assert send(**{"sec-fetch-site": site}) == 403
    assert set(queue.uploads.folder.rglob("*")) == before
    assert client.get("/", headers={"sec-fetch-site": site}).status_code == 200
    assert send(**{"sec-fetch-site": "same-origin"}) == 200
    (upload,) = (path for path in queue.uploads.folder.rglob("a.mp4") if path not in before)
    queue.uploads.delete(upload)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://192.168.0.7:7860", 400),
        ("https://192.168.0.7:7860", 400),
        ("http://evil.example", 403),
        ("http://evil.example/192.168.0.7:7860", 403),
        ("http://192.168.0.7", 403),
        ("http://192.168.0.7:8000", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_another_site_is_known_by_its_origin(client, origin, status):
    # browsers send no Sec-Fetch-Site to plain http servers other than localhost
    headers = {"host": "192.168.0.7:7860", "origin": origin}
    for path in ("/gradio_api/queue/join", "/gradio_api/upload"):
        answer = client.post(path, content=b"{", headers=headers)
        assert (answer.status_code == 403) == (status == 403)
    assert client.get("/", headers=headers).status_code == 200


API = "/gradio_api/"
UNUSED = {
    "GET": [
        f"{API}file={__file__}", f"{API}deep_link?session_hash=x", "/config", "/openapi.json",
        "/monitoring/summary", "/login_check", "/docs", f"{API}proxy=http://other.example/",
    ],
    "POST": [
        f"{API}process_recording", f"{API}component_server", f"{API}run/predict",
        f"{API}call/predict", f"{API}queue/join/",
    ],
    "PUT": ["/"],
}  # fmt: skip


@pytest.mark.parametrize("method", UNUSED)
def test_routes_that_the_page_does_not_use(client, method):
    for path in UNUSED[method]:
        answer = client.request(method, path)
        assert (answer.status_code, answer.text) == (404, "page not found\n"), path
    for path in ("/", "/theme.css", "/static/img/logo_nosize.svg"):  # parts of the page
        assert client.get(path).status_code == 200


def test_bodies_of_no_use(client):
    headers = {"content-type": "application/json"}
    for body, status in (b"{", 400), (b"[" * 60_000, 400), (b" " * 70_000, 413), (b"\xff\xfe", 400):
        answer = client.post("/gradio_api/queue/join", content=body, headers=headers)
        assert answer.status_code == status, body[:9]


WRONG_CALLS = {
    "fn_index": [999, True, "0", 1],
    "data": [[5], ["x"], [{}], [], {}, None, [None, None]],
    "event_data": [float("nan"), float("inf")],
    "session_hash": ["\ud800"],
}


@pytest.mark.parametrize("field", WRONG_CALLS)
def test_calls_of_another_form(client, field):
    headers, call = {"content-type": "application/json"}, {"fn_index": 0, "session_hash": "x"}
    changed = [json.dumps(call | {"data": [None]} | {field: value}) for value in WRONG_CALLS[field]]
    for body in (*changed, "5"):
        answer = client.post("/gradio_api/queue/join", content=body, headers=headers)
        assert (answer.status_code, answer.text) == (400, "not understood\n"), body


WRONG_UPLOADS = {"meta": [5, None], "url": [5], "orig_name": [["a"], {"a": 1}], "size": ["big"]}
WRONG_UPLOADS["more"] = [{"meta": 5}, [1]]


@pytest.mark.parametrize("field", WRONG_UPLOADS)
def test_uploads_of_another_form(client, secret, queue, field):
    path = send(client, secret)
    for value in WRONG_UPLOADS[field]:
        answer, _ = join(client, FILE | {"path": path} | {field: value})
        assert (answer.status_code, answer.text) == (400, "not understood\n"), value
    queue.uploads.delete(queue.uploads.find(path))


def test_the_page_may_empty_itself(client):
    body = {"fn_index": 1, "session_hash": "x", "data": []}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    assert (
        '"success":true' in client.get("/gradio_api/queue/data", params={"session_hash": "x"}).text
    )


def test_what_is_refused_is_in_the_log(client, secret, queue, monkeypatch, caplog):
    caplog.set_level("INFO")
    secret.write_text("no video\n" * 9)
    join(client, FILE | {"path": send(client, secret), "orig_name": "talk.mp4"})
    monkeypatch.setattr(queue.uploads, "limits", Limits(max_megabytes=0.1))
    client.post("/gradio_api/upload", files={"files": ("long.mp4", bytes(200_000))})
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("avforensics")]
    assert len(lines) == 2 and lines[0].startswith("'talk.mp4': ")
    assert lines[1] == "an upload was rejected: the upload is too large: at most 0.1 MB are allowed"


def test_uploads_that_nobody_asks_about_are_bounded(client, queue, secret, monkeypatch):
    monkeypatch.setattr(queue.uploads, "limits", Limits(max_megabytes=0.002, max_waiting=1))
    paths = [queue.uploads.folder / name for name in "ab"]
    for path in paths:
        path.write_bytes(bytes(2000))
    files = {"files": ("c.mp4", bytes(1000))}
    assert client.post("/gradio_api/upload", files=files).status_code == 200
    full = "too many videos have been sent; please try again later\n"
    answer = client.post("/gradio_api/upload", files=files)
    assert (answer.status_code, answer.text) == (503, full)
    (upload,) = queue.uploads.folder.glob("*/c.mp4")
    for path in (upload, *paths):
        queue.uploads.delete(path)
    assert client.post("/gradio_api/upload", files={"files": ("c.mp4", b"c")}).status_code == 200
    with queue.uploads.arriving(4001):
        assert client.post("/gradio_api/upload", files=files).status_code == 503
    assert not queue.uploads.is_full
    queue.uploads.delete(next(queue.uploads.folder.glob("*/c.mp4")))


def upload_slowly(queue, receive):
    """Send an upload through the gate to an app that reads all of it; return the answer."""
    sent = []

    async def app(scope, receive, send):
        message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
        broken = message["type"] == "http.disconnect"
        status = 500 if broken else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        if broken:
            raise ConnectionError  # as gradio does

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", b"4000")]
    scope = {"type": "http", "method": "POST", "path": gate.UPLOAD, "headers": headers}
    asyncio.run(gate.Gate(app, queue.uploads)(scope, receive, send))
    return sent[0]["status"]


def test_an_upload_that_stands_still_gives_its_room_away(queue, monkeypatch):
    monkeypatch.setattr(gate, "STALLED", 0.2)
    reserved = []

    async def stand_still():
        reserved.append(queue.uploads._arriving)
        if len(reserved) == 1:
            return {"type": "http.request", "body": bytes(1000), "more_body": True}
        return await asyncio.sleep(60, {})

    assert upload_slowly(queue, stand_still) == 408
    assert reserved == [4000, 3000], "what has come is in the folder, and counts there"
    assert queue.uploads._arriving == 0


@pytest.mark.parametrize(("slowest", "status"), [(1, 200), (1e6, 408)])
def test_an_upload_by_drops_ends(queue, monkeypatch, slowest, status):
    monkeypatch.setattr(gate, "STALLED", 0.2)
    monkeypatch.setattr(gate, "SLOWEST", slowest)
    left = [False] + [True] * 9

    async def drip():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"0", "more_body": left.pop()}

    assert upload_slowly(queue, drip) == status
    assert queue.uploads._arriving == 0


def test_an_upload_is_no_longer_than_a_video(client, queue, monkeypatch):
    monkeypatch.setattr(queue.uploads, "limits", Limits(max_megabytes=0.1))
    many = [("files", (f"{number}.mp4", bytes(90_000))) for number in range(3)]
    answer = client.post("/gradio_api/upload", files=many)
    assert (answer.status_code, answer.text) == (
        413,
        "the upload is too large: at most 0.1 MB are allowed\n",
    )
    kind = {"content-type": "multipart/form-data; boundary=x"}
    for headers in (kind, kind | {"content-length": "9", "transfer-encoding": "chunked"}):
        answer = client.post("/gradio_api/upload", content=iter([b"--x"]), headers=headers)
        assert answer.status_code == 411
    assert list(queue.uploads.folder.iterdir()) == []
