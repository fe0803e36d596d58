"""Save and load network outputs of a video, for other tools and ``avforensics render``."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avforensics.detection.inputs import file_key
from avforensics.errors import ConfigError
from avforensics.faces.track import Faces, FaceTrack
from avforensics.files import atomic_path, read_json_lines, sha256_or_none
from avforensics.scoring.outcome import Outcome, Segment
from avforensics.scoring.result import WITH_SCORE, Features, Steps, VideoResult
from avforensics.scoring.tracks import FaceResult, main_face


def save_features(outcome: Outcome, path: str | os.PathLike) -> None:
    """Write the network's and the decoders' outputs for one video, as safetensors.

    For the N windows, the arrays are ``sync_logits`` (N, 31), ``activations`` (N, 1024), ``pca``
    (N, D) and ``heard`` (N,). For the S predicted windows, they are ``step_window``,
    ``step_distribution``, ``step_activation`` (S,) and ``prediction`` (S, 31). The metadata are
    path, sha256 and first_window.

    If faces were found, the names of arrays begin with the name of the face, as in
    ``1.sync_logits``. Each face also has ``boxes`` (T, 4), ``landmarks`` (T, 5, 2) and ``seen``
    (T,) for its T frames, and ``speaks`` (n, 2), the start and end of its speech in seconds. The
    metadata entry ``faces`` is JSON with names, first frames, errors and the frame size. Windows
    and frames are counted from the start of the video.
    """
    if outcome.found is None:
        arrays = _arrays(outcome.result)
    else:
        arrays = {
            f"{face.track.name}.{name}": array
            for face in outcome.faces
            for name, array in (_arrays(face.result) | _track_arrays(face)).items()
        }
    result = outcome.result
    metadata = {
        "path": str(result.path).encode("utf-8", "backslashreplace").decode(),
        "sha256": result.sha256 or "",
        "first_window": str(result.features.first_window),
    }
    if outcome.found is not None:
        metadata["faces"] = json.dumps(_face_notes(outcome))
    content = save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=metadata
    )
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def _arrays(result: VideoResult) -> dict[str, np.ndarray]:
    features, steps = result.features, result.steps
    if features is None or steps is None:
        return {}
    arrays = {
        "sync_logits": features.sync_logits,
        "activations": features.activations,
        "pca": features.projected,
        "heard": features.valid_audio.astype(np.uint8),
        "step_window": steps.window,
        "step_distribution": steps.distribution,
        "step_activation": steps.activation,
        "prediction": steps.prediction,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def _track_arrays(face: FaceResult) -> dict[str, np.ndarray]:
    return {
        "boxes": face.track.boxes,
        "landmarks": face.track.landmarks,
        "seen": face.track.seen.astype(np.uint8),
        "speaks": np.array(face.spans, np.float64).reshape(-1, 2),
    }


def _face_notes(outcome: Outcome) -> dict[str, object]:
    found = outcome.found
    return {
        **{name: getattr(found, name) for name in ("width", "height", "n_frames", "detector")},
        "cuts": list(found.cuts),
        "dropped": dict(found.dropped),
        "tracks": [
            {
                "name": face.track.name,
                "first_frame": face.track.first_frame,
                "share": face.speaks,
                "error": face.result.error,
            }
            for face in outcome.faces
        ],
    }


def load_outcome(path: str | os.PathLike, video: str | os.PathLike) -> Outcome:
    """Read a file of `save_features` for drawing.

    Scores and the media report are not in the file.

    Parameters
    ----------
    path : path
        Safetensors file.
    video : path
        Current path of the video to which the file belongs.

    Raises
    ------
    ConfigError
        The file is missing, damaged or of a different kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        first = int(metadata["first_window"])
        if "faces" not in metadata:
            return Outcome(_result(video, arrays, "", first))
        notes = json.loads(metadata["faces"])
        faces = tuple(_face(video, arrays, track) for track in notes["tracks"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ConfigError(
            f"{path}: not a file that detect writes with save_features=true ({error})"
        ) from None
    notes |= {"tracks": tuple(face.track for face in faces), "cuts": tuple(notes["cuts"])}
    found = Faces(**notes)
    return Outcome(faces[main_face(faces)].result, faces, found)


def _result(
    video: str | os.PathLike, arrays: dict[str, np.ndarray], prefix: str, first_window: int
) -> VideoResult:
    return VideoResult(
        Path(video),
        features=Features(
            sync_logits=arrays[f"{prefix}sync_logits"],
            projected=arrays[f"{prefix}pca"],
            valid_audio=arrays[f"{prefix}heard"].astype(bool),
            first_window=first_window,
        ),
        steps=Steps(
            window=arrays[f"{prefix}step_window"],
            distribution=arrays[f"{prefix}step_distribution"],
            activation=arrays[f"{prefix}step_activation"],
            prediction=arrays[f"{prefix}prediction"],
        ),
    )


def _face(
    video: str | os.PathLike, arrays: dict[str, np.ndarray], notes: dict[str, object]
) -> FaceResult:
    name, first = str(notes["name"]), int(notes["first_frame"])
    track = FaceTrack(
        name=name,
        first_frame=first,
        boxes=arrays[f"{name}.boxes"],
        landmarks=arrays[f"{name}.landmarks"],
        seen=arrays[f"{name}.seen"].astype(bool),
    )
    if f"{name}.sync_logits" in arrays:
        result = _result(video, arrays, f"{name}.", first)
    else:
        result = VideoResult(Path(video), error=str(notes["error"]))
    spans = tuple((start, end) for start, end in arrays[f"{name}.speaks"].tolist())
    return FaceResult(track, result, speaks=float(notes["share"]), spans=spans)


def find_saved(folder: Path, video: Path) -> tuple[Outcome, float]:
    """Find the features of a video that ``detect`` saved with ``save_features=true``.

    Parameters
    ----------
    folder : Path
        Output folder of the run.
    video : Path
        Path that was scored, or a different path if only one scored video has the same file name.

    Returns
    -------
    Outcome
        Saved features of the video, with its segments and rule.
    float
        Value of ``lam`` in the video's score.

    Raises
    ------
    ConfigError
        The video has no score in the folder, is not the scored file, or has no saved features.
    """
    records, settings = _read_journal(folder)
    key = file_key(video)
    alike = [name for name in records if Path(name).name == video.name]
    record = records.get(key) or (records[alike[0]] if len(alike) == 1 else None)
    if record is None:
        raise ConfigError(f"results={folder}: this run has no result for {video}")
    if record["row"]["status"] not in WITH_SCORE:
        raise ConfigError(f"{video} has no score: {record['row']['error']}")
    path = folder / f"features/{record['name']}.safetensors"
    if not path.is_file():
        raise ConfigError(
            f"results={folder}: {path.name} is missing; run detect with save_features=true"
        )
    scored, given = record["row"].get("sha256"), sha256_or_none(video)
    if scored and given and scored != given:
        raise ConfigError(
            f"results={folder}: {video} is not the file that was scored (SHA-256 {given[:12]}, "
            f"not {scored[:12]})"
        )
    segments = [Segment.of_row(row) for row in record.get("segments", ())]
    rule = settings.get(record.get("settings"), {}).get("faces", {}).get("rule", "speaker")
    outcome = replace(load_outcome(path, video), rule=rule, segments=segments)
    return outcome, float(record["row"]["lam"])


def _read_journal(folder: Path) -> tuple[dict[str, dict], dict[str, dict]]:
    """Read the records of scored videos by file, and the settings by digest."""
    try:
        lines, _ = read_json_lines(folder / "journal.jsonl")
    except OSError as error:
        raise ConfigError(
            f"results={folder}: not an output folder of detect ({error.strerror})"
        ) from None
    records, settings = {}, {}
    for record in lines:
        if record.keys() >= {"video", "name", "row"}:
            records[record["video"]] = record
        elif record.keys() >= {"settings", "is"}:
            settings[record["settings"]] = record["is"]
        elif "void" in record:  # the files belong to a score that was never recorded
            records.pop(record.get("video"), None)
    return records, settings
