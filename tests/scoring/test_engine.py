"""The one-pass engine computes the same as the network window by window."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avforensics.errors import ConfigError
from avforensics.media.types import HOP, Block
from avforensics.models.folding import fold_batch_norms
from avforensics.models.projection import Projection
from avforensics.scoring.engine import Engine
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.spans import cut_spans

CPU = RuntimeOptions(device="cpu")


def video(n_frames: int, seed: int) -> Block:
    random = np.random.default_rng(seed)
    frames = random.integers(0, 256, (n_frames, 32, 32, 3), np.uint8)
    return Block(frames, random.integers(-9000, 9000, n_frames * HOP).astype(np.int16))


def projection_for(network) -> Projection:
    projection = Projection(inputs=network.activation_width, outputs=7)
    projection.components.normal_(generator=torch.Generator().manual_seed(0))
    return projection


@torch.inference_mode()
def one_by_one(network, block: Block) -> np.ndarray:
    """Compute rows by the plain forward pass: each window 31 times, once per delay."""
    frames = torch.from_numpy(block.frames).permute(0, 3, 1, 2).float()
    sound = torch.from_numpy(np.pad(block.audio, 15 * HOP)).float()
    rows = []
    for k in range(len(frames) - 4):
        copies = frames[k : k + 5].expand(31, -1, -1, -1, -1)
        crops = torch.stack([sound[(k + i) * HOP : (k + i + 5) * HOP] for i in range(31)])
        rows.append(network(copies, crops))
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("channels_last", [True, False])
def test_equals_the_plain_forward_pass(network, channels_last):
    block = video(24, seed=0)
    runtime = RuntimeOptions(device="cpu", batch_windows=3, channels_last=channels_last)
    engine = Engine(network, projection_for(network), runtime=runtime)
    weights = engine.sync.visual.conv1.weight
    assert weights.is_contiguous(memory_format=torch.channels_last) == channels_last
    parts = [engine.run([("a", span)])[0] for span in cut_spans([block], span_windows=6)]
    rows = np.concatenate([part.sync_logits for part in parts])
    expected = one_by_one(network, block)
    assert np.ptp(expected, axis=1).min() > 1e-3  # the delays differ, so that order matters
    np.testing.assert_allclose(rows, expected, atol=1e-4 * np.abs(expected).max())


def test_batches_across_videos_change_nothing(network):
    blocks = {name: video(n, seed=n) for name, n in (("a", 30), ("b", 19), ("c", 41))}
    alone, together = {}, {}
    engine = Engine(network, projection_for(network), runtime=CPU, keep_activations=True)
    for name, block in blocks.items():
        (span,) = cut_spans([block])
        (alone[name],) = engine.run([(name, span)])
        engine.forget(name)
    cut = {name: cut_spans([block], span_windows=10) for name, block in blocks.items()}
    queue = [(name, span) for name, spans in cut.items() for span in spans]
    for start in range(0, len(queue), 3):
        batch = queue[start : start + 3]
        for (name, _), part in zip(batch, engine.run(batch), strict=True):
            together.setdefault(name, []).append(part)
    for name, parts in together.items():
        for kind in ("sync_logits", "projected", "activations"):
            value = np.concatenate([getattr(part, kind) for part in parts])
            np.testing.assert_allclose(value, getattr(alone[name], kind), rtol=1e-4, atol=1e-4)


def test_only_results_stay_in_memory(network):
    (span,) = cut_spans([video(30, seed=1)])
    (part,) = Engine(network, None, runtime=CPU).run([("a", span)])
    kept = [array.base.untyped_storage().nbytes() for array in (part.sync_logits, part.projected)]
    assert kept == [part.sync_logits.nbytes, 0]


def test_silent_sound_is_encoded_once(network, monkeypatch):
    block = video(30, seed=1)
    block.audio[10 * HOP : 17 * HOP] = 0  # three crops
    (span,) = cut_spans([block])
    engine, encoded = Engine(network, None, runtime=CPU), []
    tokens = engine.sync.audio_tokens
    monkeypatch.setattr(
        engine.sync, "audio_tokens", lambda crops: encoded.append(len(crops)) or tokens(crops)
    )
    rows = engine.run([("a", span)])[0].sync_logits
    heard = 30 + 4 - 3  # with 11 silent crops of padding at each end
    assert len(span.crops) == heard + 3 + 2 * 11 and sum(encoded) == heard + 1
    expected = one_by_one(network, block)
    np.testing.assert_allclose(rows, expected, atol=1e-4 * np.abs(expected).max())


def test_folding_changes_nothing_and_spares_the_original(network):
    block = video(8, seed=5)
    before = one_by_one(network, block)
    folded = one_by_one(fold_batch_norms(network), block)
    np.testing.assert_allclose(folded, before, atol=1e-4 * np.abs(before).max())
    np.testing.assert_array_equal(one_by_one(network, block), before)
    assert not any("BatchNorm" in type(m).__name__ for m in fold_batch_norms(network).modules())


def test_bf16_is_near(network):
    (span,) = cut_spans([video(20, seed=0)])
    runtimes = [replace(CPU, precision=precision) for precision in ("float32", "bf16")]
    engines = [Engine(network, projection_for(network), runtime=runtime) for runtime in runtimes]
    exact, rough = (engine.run([("a", span)])[0] for engine in engines)
    scale = np.abs(exact.sync_logits).max()
    difference = np.abs(exact.sync_logits - rough.sync_logits).max()
    assert 0 < difference < 0.1 * scale


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device": "tpu9"}, "device must be .* got 'tpu9'"),
        ({"device": "cuda:99"}, "device .cuda:99. not found; number of CUDA devices: "),
        ({"precision": "int4"}, "precision must be one of"),
        ({"batch_windows": 0}, "must be >= 1"),
    ],
)
def test_nonsense_is_refused(network, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Engine(network, projection_for(network), runtime=replace(CPU, **options))
