"""Publish weights: the bundle, its calibrations, a model card and pinned hashes."""

from __future__ import annotations

import glob
import json
from pathlib import Path

import avforensics
from avforensics.checkpoints.bundle import calibrations_beside, save_bundle
from avforensics.checkpoints.hub import MODEL, PINS, pins_of
from avforensics.checkpoints.parts import Models
from avforensics.errors import CheckpointError, ConfigError, first_line
from avforensics.files import atomic_path, sha256_file, write_text

CARD = "README.md"
LIMITS = (
    "The score is high if lip movements and speech match in an unusual way. A high score does not "
    "prove a forgery: dubbed, badly cut and muted videos also score high. Forgeries that keep the "
    "lips in sync score low. Silent videos, songs and voice-overs cannot be scored."
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
    folder : Path
        Created if missing. Files of an earlier release are replaced; other files are not allowed.
    name : str
        Title of the card, and argument of `Detector.from_pretrained` in the card's example.
    license : str, optional
        Identifier for the card's header, e.g. ``mit``.
    text : str, optional
        Markdown that replaces the card made from the bundle's notes. If it starts with a header
        (``---``), the header is kept and ``license`` is not used.

    Returns
    -------
    dict
        SHA-256 by file name.

    Raises
    ------
    CheckpointError
        The synchronisation network is missing.
    ConfigError
        The folder holds a file that no earlier release wrote.
    """
    models.require("sync")
    _check_own(folder)
    folder.mkdir(parents=True, exist_ok=True)
    calibrations = {  # read before old calibrations are removed, which may be the same files
        f"{Path(MODEL).stem}{path.name[path.name.rindex('.calibration') :]}": path.read_bytes()
        for path in models.calibrations
    }
    for old in calibrations_beside(folder / MODEL):
        old.unlink()
    save_bundle(folder / MODEL, models)
    for made, content in calibrations.items():
        with atomic_path(folder / made) as partial:
            partial.write_bytes(content)
    pins = {one: sha256_file(folder / one) for one in (MODEL, *calibrations)}
    card = text if text is not None else _card(models, name, pins)
    if not card.startswith("---"):
        card = _header(license) + card
    write_text(folder / CARD, card.rstrip() + "\n")
    content = {"version": 1, "code": f"avforensics {avforensics.__version__}", "sha256": pins}
    write_text(folder / PINS, json.dumps(content, indent=1) + "\n")
    return pins


def upload(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload the files of `write_release` from a folder to the Hub; return the address.

    Other files in the folder are not uploaded. Calibrations of an earlier upload are deleted.

    Raises
    ------
    CheckpointError
        huggingface_hub is not installed, or the upload fails.
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
            repo_id=repository,
            folder_path=str(folder),
            commit_message="Weights of avforensics",
            allow_patterns=[glob.escape(name) for name in (*pins_of(folder), CARD, PINS)],
            delete_patterns=[f"{Path(MODEL).stem}.calibration*.safetensors"],
        )
    except Exception as error:  # whatever the client, the network or the server raises
        raise CheckpointError(
            f"{repository}: cannot be uploaded ({first_line(error)[:160]})"
        ) from None
    return str(found)


def _check_own(folder: Path) -> None:
    """Raise ConfigError if a folder holds anything that `write_release` did not write."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder}: push needs a folder, but this is a file")
    pins = pins_of(folder)
    own = {*pins, CARD, PINS} if pins else set()
    if foreign := sorted(path.name for path in folder.iterdir() if path.name not in own):
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise ConfigError(
            f"{folder}: contains {foreign[0]}{more}, which push did not write; choose a new or "
            "empty folder"
        )


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
        lines += [f"- Faces are cropped with the recipe `{models.recipe}`."]
    if notes := models.metadata.get("notes"):
        lines += [f"- {notes}"]
    lines += [f"- `{one}`: SHA-256 `{digest}`." for one, digest in pins.items()]
    return "\n".join(lines)
