"""`avforensics download` from a local server, and from a server that does not answer."""

import re
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from runs import composed

from avforensics.checkpoints.published import PUBLISHED
from avforensics.commands import download
from avforensics.errors import ConfigError
from avforensics.files import sha256_file

pytest.importorskip("gdown")
DECODER, PCA = "dist_regressive_model.pth", "pca.pkl"


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Print nothing to stderr."""


@pytest.fixture
def served(tmp_path, published, monkeypatch):
    """A folder with two of the files, and settings that download them from a local server."""
    folder = tmp_path / "served"
    folder.mkdir()
    for name in (DECODER, PCA):
        (folder / name).write_bytes((published.folder / name).read_bytes())
    for part, file in PUBLISHED.items():  # with the hashes of the fresh weights
        digest = sha256_file(published.folder / file.name) if file.sha256 else None
        monkeypatch.setitem(PUBLISHED, part, replace(file, sha256=digest))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=folder)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def run(tmp_path, monkeypatch, caplog):
    """Return a function that runs the command; it returns the exit code and the output."""
    monkeypatch.setenv("HOME", str(tmp_path))  # gdown keeps cookies there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    caplog.set_level("INFO")

    def run(*overrides):
        caplog.clear()
        overrides = [f"dir={tmp_path / 'target'}", "parts=[distribution,projection]", *overrides]
        return download.run(composed("download", *overrides)), caplog.text

    return run


def _from(address):
    return f"+url.distribution={address}/{DECODER}", f"+url.projection={address}/{PCA}"


def test_files_are_fetched_once_and_verified(served, run, tmp_path):
    folder, address = served
    code, said = run(*_from(address))
    assert code == 0
    assert said.count("fetched, SHA-256 matches the published file") == 2
    target = tmp_path / "target"
    assert sorted(p.name for p in target.iterdir()) == [DECODER, PCA]
    assert (target / PCA).read_bytes() == (folder / PCA).read_bytes()
    (folder / PCA).write_bytes(b"changed meanwhile")
    code, said = run(*_from(address))
    assert code == 0
    assert said.count("present, SHA-256") == 2
    code, said = run("force=true", *_from(address))
    assert code == 1
    assert (target / PCA).stat().st_size > 1000  # the good file is kept


def test_a_file_of_unknown_hash_is_checked_by_its_tensors(served, run, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "projection", replace(PUBLISHED["projection"], sha256=None))
    code, said = run(*_from(served[1]))
    assert code == 0
    assert "pca.pkl: fetched, all names and shapes match (sha256 " in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda whole: b"<html><title>Quota exceeded</title></html>", "this is a web page"),
        (lambda whole: whole[:20_000], "truncated, damaged or not a torch file"),
        (lambda whole: whole + b"\0", "SHA-256 is .*, expected "),
    ],
)
def test_something_else_arrives(served, run, tmp_path, change, message):
    folder, address = served
    (folder / DECODER).write_bytes(change((folder / DECODER).read_bytes()))
    code, said = run(*_from(address))
    assert code == 1
    (line,) = [line for line in said.splitlines() if "discarded" in line]
    assert DECODER in line
    assert re.search(message, line)
    assert [p.name for p in (tmp_path / "target").iterdir()] == [PCA]


def test_a_file_that_is_not_there(served, run):
    code, said = run("+url.projection=" + served[1] + "/nothing.pkl", "parts=[projection]")
    assert code == 1
    assert "pca.pkl: download from http://127.0.0.1" in said


def test_nobody_answers(run, tmp_path):
    code, said = run(*_from("http://127.0.0.1:9"))
    assert code == 1
    assert said.count("(no connection); download it on another machine and put it into") == 2
    assert list((tmp_path / "target").iterdir()) == []


def test_a_present_file_that_is_wrong_is_kept_and_reported(served, run, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / PCA).write_bytes(b"mine")
    code, said = run(*_from(served[1]))
    assert code == 1
    assert f"{target / PCA}: truncated, damaged or not a pickle" in said
    assert (target / PCA).read_bytes() == b"mine"


def test_unknown_part(run):
    with pytest.raises(ConfigError, match="no published file for 'weights'"):
        run("parts=[weights]")


@pytest.mark.reference
def test_released_files_have_the_hashes_that_are_expected(reference):
    known = {file.name: file.sha256 for file in PUBLISHED.values() if file.sha256}
    assert len(known) == 3
    assert {name: sha256_file(reference / name) for name in known} == known
