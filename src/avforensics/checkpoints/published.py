"""Read the authors' four published files.

Feng, Chen, Owens (CVPR 2023): ``sync_model.pth``, ``dist_regressive_model.pth``,
``avfeature_regressive_model.pth`` and ``pca.pkl``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avforensics.checkpoints.architecture import build
from avforensics.checkpoints.pickled import Record, array_of, read_pickle
from avforensics.checkpoints.states import check_tensors, mismatched, read_torch, state_dict_in
from avforensics.errors import CheckpointError
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.projection import Projection
from avforensics.models.published import from_published, to_published
from avforensics.models.sync import published_sync_network

REPOSITORY = "https://github.com/cfeng16/audio-visual-forensics"
DRIVE_ID = "1BxaPiZmpiOJDsbbq8ZIDHJU7--RJE7Br"


@dataclass(frozen=True)
class PublishedFile:
    """One of the authors' four published files.

    Attributes
    ----------
    part : str
        The part of ``Models`` in the file.
    sha256 : str or None
        Hash of the published file; None if unknown.
    source : str
        Where to find the file, for messages.
    url : str
        Download address.
    """

    part: str
    name: str
    sha256: str | None
    source: str
    url: str


def _in_repository(part: str, name: str, sha256: str) -> PublishedFile:
    return PublishedFile(part, name, sha256, REPOSITORY, f"{REPOSITORY}/raw/HEAD/{name}")


PUBLISHED = {
    file.part: file
    for file in (
        PublishedFile(
            "sync",
            "sync_model.pth",
            None,
            f"the authors' Google Drive, id {DRIVE_ID}",
            f"https://drive.google.com/uc?id={DRIVE_ID}",
        ),
        _in_repository(
            "distribution",
            "dist_regressive_model.pth",
            "e9158714f334688c95ce725e4c56d0bc5b7dc5cd4d7e275cfcb22d69fc873971",
        ),
        _in_repository(
            "activation",
            "avfeature_regressive_model.pth",
            "8ee382e4d4dc915fabe78bfc39fd971efa5935b476cd8498a103c47589b79d39",
        ),
        _in_repository(
            "projection",
            "pca.pkl",
            "41a6f56615b220fb98ea160aaacf06bf1db4fad5b64a35f51598d504352237f7",
        ),
    )
}


def read_network(part: str, path: Path) -> nn.Module:
    """Read the synchronisation network or a decoder from a torch file.

    The file is either a published file or a checkpoint of our training, which uses our tensor
    names. Unless the network is the published one, the checkpoint describes it under
    ``architecture``.

    Parameters
    ----------
    part : {"sync", "distribution", "activation"}

    Raises
    ------
    CheckpointError
        The file is unreadable, or a tensor does not match.
    """
    content = read_torch(path)
    state = state_dict_in(content, path)
    sync = part == "sync"
    description = content.get("architecture") if "state_dict" in content else None
    if description is None:
        network = published_sync_network() if sync else PublishedDecoder()
    else:
        try:
            network = build(description)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
    if description is not None or network.state_dict().keys() & state.keys():
        check_tensors(network.state_dict(), state, path)
        network.load_state_dict(state)
        return network
    check_tensors(to_published(network.state_dict(), sync=sync), state, path)
    network.load_state_dict(dict(from_published(n, t, sync=sync) for n, t in state.items()))
    return network


def published_state(part: str, module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a network under the published names and in the published shapes.

    Raises
    ------
    CheckpointError
        The network does not have the published architecture.
    """
    sync = part == "sync"
    published = published_sync_network() if sync else PublishedDecoder()
    own = module.state_dict()
    if mismatched(own, published.state_dict()):
        raise CheckpointError(
            f"the {part} model does not have the published architecture, so it cannot be "
            f"written to {PUBLISHED[part].name}"
        )
    return to_published(own, sync=sync)


def read_projection(path: Path) -> Projection:
    """Read StandardScaler and PCA from ``pca.pkl``, written by any version of scikit-learn.

    Raises
    ------
    CheckpointError
        The file is unsafe or damaged, or an array is missing or has the wrong shape.
    """
    scaler, pca = _scaler_and_pca(read_pickle(path), path)
    if pca.fields.get("whiten"):
        raise CheckpointError(f"{path}: the PCA must not whiten its output")
    components = array_of(pca, "components_")
    if components is None or components.ndim != 2:
        raise CheckpointError(f"{path}: array components_ is missing or not a matrix")
    outputs, inputs = components.shape
    mean = np.zeros(inputs) if scaler is None else _row(scaler, "mean_", 0.0, inputs, path)
    scale = np.ones(inputs) if scaler is None else _row(scaler, "scale_", 1.0, inputs, path)
    if not (scale > 0).all():
        raise CheckpointError(f"{path}: array scale_ must be positive")
    center = _row(pca, "mean_", 0.0, inputs, path)
    projection = Projection(inputs=inputs, outputs=outputs)
    arrays = {"mean": mean, "scale": scale, "center": center, "components": components}
    state = {
        name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
        for name, array in arrays.items()
    }
    check_tensors(projection.state_dict(), state, path)
    projection.load_state_dict(state)
    return projection


def _scaler_and_pca(content: Any, path: Path) -> tuple[Record | None, Record]:
    records = {type(record).__name__: record for record in _records(content)}
    if "PCA" not in records:
        found = ", ".join(records) or type(content).__name__
        raise CheckpointError(f"{path}: contains no PCA (found: {found})")
    return records.get("StandardScaler"), records["PCA"]


def _records(content: Any, *, depth: int = 4) -> Iterator[Record]:
    """Yield the scikit-learn objects in a pickle: steps of a pipeline, or items of a container.

    The depth is limited, since a pickled list may contain itself.
    """
    if isinstance(content, Record) and "steps" not in content.fields:
        yield content
        return
    if isinstance(content, Record):
        content = content.fields["steps"]
    items = content.values() if isinstance(content, dict) else content
    if depth and isinstance(content, dict | list | tuple):
        for item in items:
            yield from _records(item, depth=depth - 1)


def _row(record: Record, name: str, default: float, inputs: int, path: Path) -> np.ndarray:
    """Read one value per activation; scikit-learn sets an array to None if the step is off."""
    if name in record.fields and record.fields[name] is None:
        return np.full(inputs, default)
    array = array_of(record, name)
    if array is None or array.shape != (inputs,):
        found = "missing" if array is None else f"of shape {array.shape}"
        raise CheckpointError(
            f"{path}: array {name} of {type(record).__name__} is {found}, expected ({inputs},)"
        )
    return array
