"""Map tensor names of the published checkpoints to ours, and back.

Each line of a table pairs a published name with ours; words in braces are fields (``_FIELDS``).
Every name matches exactly one line. Published 1 x k x k kernels of layers that process single
frames are k x k kernels here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from torch import Tensor

_SYNC = [
    ("vis_enc.{layer}.{rest}", "visual.{layer}.{rest}"),
    ("vis_enc.layer{stage}.{i}.{layer}.{rest}", "visual.{stage}.{i}.{layer}.{rest}"),
    ("vis_enc.layer{stage}.{i}.downsample.{j}.{rest}", "visual.{stage}.{i}.shortcut.{j}.{rest}"),
    ("aud_enc.conv{n}.{rest}", "audio.convs.{n}.{rest}"),
    ("aud_enc.bn{n}.{rest}", "audio.norms.{n}.{rest}"),
    ("transformer.pos_embedding", "fusion.position"),
    ("transformer.visual_modality_embeding", "fusion.video_modality"),
    ("transformer.audio_modality_embeding", "fusion.audio_modality"),
    ("transformer.temporal_visual_embedding", "fusion.video_time"),
    ("transformer.temporal_audio_embedding", "fusion.audio_time"),
    ("transformer.cls_token", "fusion.cls"),
    ("transformer.transformer.layers.{i}.0.norm.{rest}", "fusion.blocks.{i}.norm1.{rest}"),
    (
        "transformer.transformer.layers.{i}.0.fn.to_qkv.{rest}",
        "fusion.blocks.{i}.attention.to_qkv.{rest}",
    ),
    (
        "transformer.transformer.layers.{i}.0.fn.to_out.0.{rest}",
        "fusion.blocks.{i}.attention.to_out.{rest}",
    ),
    ("transformer.transformer.layers.{i}.1.norm.{rest}", "fusion.blocks.{i}.norm2.{rest}"),
    ("transformer.transformer.layers.{i}.1.fn.net.0.{rest}", "fusion.blocks.{i}.mlp.0.{rest}"),
    ("transformer.transformer.layers.{i}.1.fn.net.3.{rest}", "fusion.blocks.{i}.mlp.2.{rest}"),
    ("transformer.mlp_head.{i}.{rest}", "fusion.head.{i}.{rest}"),
]

_DECODER = [
    ("pos_embedding", "position"),
    ("lin1.{rest}", "to_width.{rest}"),
    ("decoder{n}.docoder.null_k", "blocks.{n}.attention.null_key"),
    ("decoder{n}.docoder.null_v", "blocks.{n}.attention.null_value"),
    ("decoder{n}.docoder.compress_fn.conv.{rest}", "blocks.{n}.attention.compression_{rest}"),
    ("decoder{n}.docoder.to_qkv.{rest}", "blocks.{n}.attention.to_qkv.{rest}"),
    ("decoder{n}.docoder.to_out.{rest}", "blocks.{n}.attention.to_out.{rest}"),
    ("decoder{n}.norm.a_2", "blocks.{n}.norm.weight"),
    ("decoder{n}.norm.b_2", "blocks.{n}.norm.bias"),
    ("decoder{n}.ff.w_1.{rest}", "blocks.{n}.feed_forward.0.{rest}"),
    ("decoder{n}.ff.w_2.{rest}", "blocks.{n}.feed_forward.3.{rest}"),
    ("lin2.{rest}", "to_row.{rest}"),
]

# Patterns of each field in published names and in ours; _VALUES lists values that are renamed.
_FIELDS = {
    "i": (r"\d", r"\d"),
    "j": (r"\d", r"\d"),
    "layer": (r"(?:conv|bn)\d", r"(?:conv|bn)\d"),
    "rest": (r"[a-z_]+", r"[a-z_]+"),
    "n": (r"[1-9]", r"[0-8]"),
    "stage": (r"[1-4]", r"(?:frame|time)_stages\.[01]"),
}
_VALUES = {
    "n": {str(count): str(count - 1) for count in range(1, 10)},
    "stage": {
        "1": "frame_stages.0",
        "2": "frame_stages.1",
        "3": "time_stages.0",
        "4": "time_stages.1",
    },
}


def from_published(name: str, tensor: Tensor, *, sync: bool) -> tuple[str | None, Tensor]:
    """Rename one published tensor and convert it to our shape.

    Parameters
    ----------
    sync : bool
        True for ``sync_model.pth``, False for a ``*_regressive_model.pth``.

    Returns
    -------
    name : str or None
        Our name; None if no published file of this kind contains the given name.
    tensor : Tensor
    """
    ours = _rename(name, sync=sync, to_published=False)
    if ours is not None and _is_frame_kernel(ours) and tensor.ndim == 5 and tensor.shape[2] == 1:
        tensor = tensor.squeeze(2)
    return ours, tensor


def to_published(state: Mapping[str, Tensor], *, sync: bool) -> dict[str, Tensor]:
    """Convert our tensors to published names and shapes.

    Raises
    ------
    KeyError
        The published network lacks one of the tensors; the message names it.
    """
    published = {}
    for ours, tensor in state.items():
        name = _rename(ours, sync=sync, to_published=True)
        if name is None:
            raise KeyError(ours)
        is_kernel = _is_frame_kernel(ours) and tensor.ndim == 4
        published[name] = tensor.unsqueeze(2) if is_kernel else tensor
    return published


def _is_frame_kernel(ours: str) -> bool:
    """Return True if our tensor may be the kernel of a convolution within a frame."""
    return ours.startswith(("visual.conv1", "visual.frame_stages")) and ours.endswith("weight")


def _rename(name: str, *, sync: bool, to_published: bool) -> str | None:
    for line in _SYNC if sync else _DECODER:
        source, target = reversed(line) if to_published else line
        if match := _pattern(source, ours=to_published).fullmatch(name):
            values = {
                field: _value(field, value, to_published=to_published)
                for field, value in match.groupdict().items()
            }
            return target.format(**values)
    return None


def _value(field: str, value: str, *, to_published: bool) -> str:
    table = _VALUES.get(field, {})
    if to_published:
        table = {ours: published for published, ours in table.items()}
    return table.get(value, value)


@cache
def _pattern(template: str, *, ours: bool) -> re.Pattern[str]:
    """Return a regular expression for one side of a table line."""
    literal_and_fields = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(
            f"(?P<{text}>{_FIELDS[text][ours]})" if index % 2 else re.escape(text)
            for index, text in enumerate(literal_and_fields)
        )
    )
