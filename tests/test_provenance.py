"""Versions recorded with every result."""

import json

from avforensics.files import write_json
from avforensics.provenance import versions


def test_versions(tmp_path):
    found = versions()
    assert found["packages"]["torch"]
    assert found["packages"]["av"]
    assert found["packages"]["opencv-python-headless"] and found["packages"]["silero-vad"]
    assert found["ffmpeg"]["libavcodec"].count(".") == 2
    assert found["git"] is None or len(found["git"].rstrip("+")) == 40
    write_json(tmp_path / "versions.json", found)
    assert json.loads((tmp_path / "versions.json").read_text()) == found
