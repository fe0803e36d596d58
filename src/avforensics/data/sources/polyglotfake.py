"""PolyGlotFake: real clips in seven languages, dubbed and lip-synced into the other six."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row, facts
from avforensics.data.sources.layout import Named, read_named
from avforensics.data.sources.tree import find_root, read_json
from avforensics.errors import ManifestError


def polyglotfake(root: str | Path) -> Manifest:
    """Read the names of all files, and ``LANGUAGE.json`` if present.

    Real clips are named ``LANGUAGE_NUMBER.mp4`` and fakes
    ``LANGUAGE_NUMBER_to_LANGUAGE_VOICE[_LIPS].mp4`` (https://github.com/tobuta/PolyGlotFake; the
    JSON files follow the reader in https://github.com/dfwb-research/deepfake-workbench). Folders do
    not matter. ``LANGUAGE.json`` may be anywhere below the root. Its list ``videos`` gives
    ``filename``, ``source`` and ``characters``, which have ``age`` and ``sex``.

    Returns
    -------
    Manifest
        ``identity`` is the source recording if the JSON files name it, else the real clip of a
        fake. ``category`` is the language into which a fake is dubbed; facts are ``language``
        (spoken), ``original_language``, ``voice``, ``lips``, ``gender`` and ``age``.

    Raises
    ------
    ManifestError
        No file name has the expected form.
    """
    root = find_root(root, ".")
    people = {}
    for table in sorted(Path(root).rglob("*.json")):
        people |= _polyglot_people(table)
    clip = r"(?P<clip>(?P<original>[a-z]{2})_\d+)"
    spoken = {"identity": "{source}", "gender": "{sex}", "age": "{age}"}
    spoken["original_language"] = "{original}"
    fake = rf"{clip}_to_(?P<into>[a-z]{{2}})(?:_(?P<voice>[^_/]+))?(?:_(?P<lips>[^/]+))?"
    made = {"category": "to_{into}", "method": "{voice}", "language": "{into}"}
    made |= {"voice": "{voice}", "lips": "{lips}"}
    parts = [
        Named(path=rf"(?:.*/)?{fake}\.\w+", label=1, columns=spoken | made),
        Named(path=rf"(?:.*/)?{clip}\.\w+", label=0, columns=spoken | {"language": "{original}"}),
    ]
    manifest = read_named(root, parts, what="PolyGlotFake")
    return Manifest(_with_people(row, people) for row in manifest)


def _polyglot_people(table: Path) -> dict[str, dict[str, str]]:
    content = read_json(table)
    videos = content.get("videos") if isinstance(content, dict) else None
    people = {}
    for video in videos if isinstance(videos, list) else ():
        if not isinstance(video, dict) or not isinstance(video.get("filename"), str):
            raise ManifestError(f"{table}: an entry of `videos` has no `filename`")
        shown = video.get("characters") or [{}]
        first = shown[0] if isinstance(shown, list) and isinstance(shown[0], dict) else {}
        values = {"identity": video.get("source"), "gender": first.get("sex")}
        values["age"] = first.get("age")
        people[Path(video["filename"]).stem] = {
            name: str(value).strip() for name, value in values.items() if value not in (None, "")
        }
    return people


def _with_people(row: Row, people: dict[str, dict[str, str]]) -> Row:
    clip = Path(row.path).stem.partition("_to_")[0]
    known = dict(people.get(clip, {}))
    return row._replace(
        identity=known.pop("identity", clip), about=facts({**dict(row.about), **known})
    )
