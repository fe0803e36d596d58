"""What is published with weights: the bundle, its calibrations, a model card and pinned hashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import avforensics
from avforensics.checkpoints.bundle import save_bundle
from avforensics.checkpoints.hub import MODEL, PINS
from avforensics.checkpoints.parts import Models
from avforensics.errors import CheckpointError
from avforensics.files import atomic_path, sha256_file

LIMITS = (
    "The score is high if picture and sound of a speaking face go together unusually. It is no "
    "proof of a forgery: dubbed, badly cut and muted videos score high as well, and forgeries that "
    "keep the lips in sync score low. Silent videos, songs and voice-overs cannot be scored."
)


def write_release(
    models: Models,
    folder: Path,
    *,
    name: str,
    license: str | None = None,
    text: str | None = None,
) -> dict[str, str]:
    """Write ``model.safetensors``, its calibrations, ``README.md`` and ``avforensics.json``.

    Parameters
    ----------
    name : str
        Title of the card, and what `Detector.from_pretrained` is called with in its example.
    license : str, optional
        Identifier for the card's header, e.g. ``mit``.
    text : str, optional
        Markdown instead of the card that is made of the bundle's own notes.

    Returns
    -------
    dict
        SHA-256 by file name.

    Raises
    ------
    CheckpointError
        A part is missing without which nothing can be scored.
    """
    models.require("sync")
    folder.mkdir(parents=True, exist_ok=True)
    save_bundle(folder / MODEL, models)
    names = [MODEL]
    for calibration in models.calibrations:
        made = f"{Path(MODEL).stem}.{calibration.name.partition('.')[2]}"
        with atomic_path(folder / made) as partial:
            shutil.copyfile(calibration, partial)
        names.append(made)
    pins = {one: sha256_file(folder / one) for one in names}
    card = _header(license) + (text if text is not None else _card(models, name, pins))
    with atomic_path(folder / "README.md") as partial:
        partial.write_text(card.rstrip() + "\n", encoding="utf-8")
    content = {"version": 1, "code": f"avforensics {avforensics.__version__}", "sha256": pins}
    with atomic_path(folder / PINS) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return pins


def upload(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload a folder that `write_release` wrote to the Hub; returns its address.

    Raises
    ------
    CheckpointError
        huggingface_hub is not installed, or the Hub refuses.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise CheckpointError(
            "uploading needs huggingface_hub: pip install 'avforensics[hub]'"
        ) from None
    try:
        api = HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        found = api.upload_folder(
            repo_id=repository, folder_path=str(folder), commit_message="Weights of avforensics"
        )
    except Exception as error:  # whatever the client, the network or the server raises
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
        raise CheckpointError(f"{repository}: cannot be uploaded ({reason})") from None
    return str(found)


def _header(license: str | None) -> str:
    lines = ["library_name: avforensics", "tags: [deepfake-detection, audio-visual, lip-sync]"]
    if license:
        lines.insert(0, f"license: {license}")
    return "---\n" + "\n".join(lines) + "\n---\n"


def _card(models: Models, name: str, pins: dict[str, str]) -> str:
    parts = ", ".join(f"{part} ({type(module).__name__})" for part, module in models.parts())
    count = sum(one.numel() for _, module in models.parts() for one in module.parameters())
    lines = [f"# {name}", "", "Weights for [avforensics](https://pypi.org/project/avforensics/)."]
    if models.notice:
        lines += ["", f"**{models.notice.rstrip('.')}.**"]
    lines += ["", LIMITS, "", "```python", "from avforensics import Detector", ""]
    lines += [f'print(Detector.from_pretrained("{name}").score("video.mp4"))', "```", ""]
    lines += [f"- Parts: {parts}; {count / 1e6:.1f} M parameters."]
    if models.recipe:
        lines += [f"- Faces are cut by the recipe `{models.recipe}`."]
    if notes := models.metadata.get("notes"):
        lines += [f"- {notes}"]
    lines += [f"- `{one}`: SHA-256 `{digest}`." for one, digest in pins.items()]
    return "\n".join(lines)
