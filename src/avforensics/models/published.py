"""The one map between the published checkpoints' names and ours, both ways.

Rules are tried in order and the first that fits counts. Published 1 x k x k kernels of 2-D layers
are k x k kernels here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_SYNC_RULES = [
    (r"vis_enc\.(conv1|bn1)\.(.+)", r"visual.\1.\2"),
    (r"vis_enc\.layer(\d)\.(\d)\.downsample\.(\d)\.(.+)", r"visual.STAGE\1.\2.shortcut.\3.\4"),
    (r"vis_enc\.layer(\d)\.(\d)\.(\w+)\.(.+)", r"visual.STAGE\1.\2.\3.\4"),
    (r"aud_enc\.conv(\d)\.(.+)", r"audio.convs.LESS\1.\2"),
    (r"aud_enc\.bn(\d)\.(.+)", r"audio.norms.LESS\1.\2"),
    (r"transformer\.pos_embedding", "fusion.position"),
    (r"transformer\.visual_modality_embeding", "fusion.video_modality"),
    (r"transformer\.audio_modality_embeding", "fusion.audio_modality"),
    (r"transformer\.temporal_visual_embedding", "fusion.video_time"),
    (r"transformer\.temporal_audio_embedding", "fusion.audio_time"),
    (r"transformer\.cls_token", "fusion.cls"),
    (r"transformer\.mlp_head\.(\d)\.(.+)", r"fusion.head.\1.\2"),
    (r"transformer\.transformer\.layers\.(\d)\.0\.norm\.(.+)", r"fusion.blocks.\1.norm1.\2"),
    (
        r"transformer\.transformer\.layers\.(\d)\.0\.fn\.to_qkv\.(.+)",
        r"fusion.blocks.\1.attention.to_qkv.\2",
    ),
    (
        r"transformer\.transformer\.layers\.(\d)\.0\.fn\.to_out\.0\.(.+)",
        r"fusion.blocks.\1.attention.to_out.\2",
    ),
    (r"transformer\.transformer\.layers\.(\d)\.1\.norm\.(.+)", r"fusion.blocks.\1.norm2.\2"),
    (r"transformer\.transformer\.layers\.(\d)\.1\.fn\.net\.0\.(.+)", r"fusion.blocks.\1.mlp.0.\2"),
    (r"transformer\.transformer\.layers\.(\d)\.1\.fn\.net\.3\.(.+)", r"fusion.blocks.\1.mlp.2.\2"),
]

_DECODER_RULES = [
    (r"pos_embedding", "position"),
    (r"lin1\.(.+)", r"to_width.\1"),
    (r"lin2\.(.+)", r"to_row.\1"),
    (r"decoder(\d)\.docoder\.null_k", r"blocks.LESS\1.attention.null_key"),
    (r"decoder(\d)\.docoder\.null_v", r"blocks.LESS\1.attention.null_value"),
    (
        r"decoder(\d)\.docoder\.compress_fn\.conv\.(.+)",
        r"blocks.LESS\1.attention.compression_\2",
    ),
    (r"decoder(\d)\.docoder\.(to_qkv|to_out)\.(.+)", r"blocks.LESS\1.attention.\2.\3"),
    (r"decoder(\d)\.norm\.a_2", r"blocks.LESS\1.norm.weight"),
    (r"decoder(\d)\.norm\.b_2", r"blocks.LESS\1.norm.bias"),
    (r"decoder(\d)\.ff\.w_1\.(.+)", r"blocks.LESS\1.feed_forward.0.\2"),
    (r"decoder(\d)\.ff\.w_2\.(.+)", r"blocks.LESS\1.feed_forward.3.\2"),
]

_STAGES = {"1": "frame_stages.0", "2": "frame_stages.1", "3": "time_stages.0", "4": "time_stages.1"}


def _rename(name: str, rules: list[tuple[str, str]]) -> str | None:
    for pattern, replacement in rules:
        if re.fullmatch(pattern, name):
            ours = re.sub(pattern, replacement, name)
            ours = re.sub(r"STAGE(\d)", lambda m: _STAGES[m[1]], ours)
            return re.sub(r"LESS(\d)", lambda m: str(int(m[1]) - 1), ours)
    return None


def sync_name(published: str) -> str | None:
    """Our name for a tensor of ``sync_model.pth``; None for a foreign name."""
    return _rename(published, _SYNC_RULES)


def decoder_name(published: str) -> str | None:
    """Our name for a tensor of a ``*_regressive_model.pth``; None for a foreign name."""
    return _rename(published, _DECODER_RULES)


def _is_frame_kernel(ours: str, tensor_dims: int) -> bool:
    return (
        ours.startswith(("visual.conv1", "visual.frame_stages"))
        and ours.endswith("weight")
        and tensor_dims >= 4
    )


def from_published(name: str, tensor: Tensor, *, sync: bool) -> tuple[str | None, Tensor]:
    """Rename one published tensor and give it our shape.

    Returns
    -------
    name : str or None
        None when the name belongs to no published file of this kind.
    tensor : Tensor
    """
    ours = sync_name(name) if sync else decoder_name(name)
    if ours is not None and _is_frame_kernel(ours, tensor.ndim) and tensor.ndim == 5:
        tensor = tensor.squeeze(2)
    return ours, tensor


def to_published(
    state: Mapping[str, Tensor], published_names: list[str], *, sync: bool
) -> dict[str, Tensor]:
    """Give our tensors the published names and shapes back.

    Parameters
    ----------
    state : mapping of str to Tensor
        Our state dict.
    published_names : list of str
        All names of the published file (its order is kept).

    Raises
    ------
    KeyError
        When the two sets of names do not match one to one.
    """
    out, used = {}, set()
    for published in published_names:
        ours = sync_name(published) if sync else decoder_name(published)
        if ours is None or ours not in state:
            raise KeyError(published)
        tensor = state[ours]
        out[published] = tensor.unsqueeze(2) if _is_frame_kernel(ours, tensor.ndim) else tensor
        used.add(ours)
    left = sorted(set(state) - used)
    if left:
        raise KeyError(left[0])
    return out
