"""Networks against the released code's output (golden files next to the checkout)."""

import json
from itertools import chain, islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from avforensics.checkpoints.locate import load_models
from avforensics.checkpoints.published import read_network, read_projection
from avforensics.media import HOP, open_media, read_wav
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.published import from_published, to_published
from avforensics.models.sync import published_sync_network

pytestmark = pytest.mark.reference

GOLDEN = ("released_clip_30frames_seed0", "released_clip_seed0", "grid_clip_seed1")


@pytest.fixture(scope="module", params=GOLDEN)
def golden(request, reference):
    return dict(np.load(reference / "golden" / f"{request.param}.npz"))


@pytest.mark.parametrize(
    ("file", "sync"),
    [
        ("sync_model.pth", True),
        ("dist_regressive_model.pth", False),
        ("avfeature_regressive_model.pth", False),
    ],
)
def test_every_published_name_maps_both_ways(reference, file, sync):
    shapes = json.loads((reference / "state_dict.json").read_text())[file]
    published = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    ours = dict(from_published(name, t, sync=sync) for name, t in published.items())
    network = published_sync_network() if sync else PublishedDecoder()
    assert {n: t.shape for n, t in ours.items()} == {
        n: t.shape for n, t in network.state_dict().items()
    }
    assert len(ours) == len(published)
    back = to_published(ours, sync=sync)
    assert {n: list(t.shape) for n, t in back.items()} == shapes


def test_distribution_model(reference, golden):
    model = read_network("distribution", reference / "dist_regressive_model.pth").eval()
    logits = torch.from_numpy(golden["sync_logits"])
    with torch.inference_mode():
        output = model(logits[None, :-1])[0]
    np.testing.assert_allclose(output, golden["dist_prediction"], rtol=0, atol=1e-3)
    target, prediction = logits[1:].softmax(-1), output.log_softmax(-1)
    step = F.kl_div(prediction, target, reduction="none").sum(-1)
    np.testing.assert_allclose(step, golden["dist_step"], rtol=1e-4)
    assert step.double().mean().item() == pytest.approx(golden["dist_score"].item(), rel=1e-4)


def test_activation_model(reference, golden):
    model = read_network("activation", reference / "avfeature_regressive_model.pth").eval()
    features = F.normalize(torch.from_numpy(golden["pca_feature"]), dim=-1)
    with torch.inference_mode():
        output = model(features[None, :-1])[0]
    np.testing.assert_allclose(output, golden["feature_prediction"], rtol=0, atol=1e-3)
    step = (output - features[1:]).square().sum(-1)
    np.testing.assert_allclose(step, golden["feature_step"], rtol=1e-4)
    assert step.double().mean().item() == pytest.approx(golden["feature_score"].item(), rel=1e-4)


def test_projection_of_activations(reference, golden):
    projection = read_projection(reference / "pca.pkl")
    projected = projection(torch.from_numpy(golden["av_activation"]))
    largest = np.abs(golden["pca_feature"]).max()
    np.testing.assert_allclose(projected, golden["pca_feature"], rtol=0, atol=1e-4 * largest)


@pytest.fixture(scope="module")
def sync_network(released_folder):
    return load_models({"dir": released_folder}, parts=["sync"]).sync


@pytest.mark.parametrize(("first", "count"), [(0, 2), (24, 2)])
def test_synchronisation_network(sync_network, shared, reference, first, count):
    """Only a few windows are compared; tests/scoring/test_parity.py compares all."""
    golden = np.load(reference / "golden" / f"{GOLDEN[0]}.npz")
    with open_media(shared / "media" / "released_clip.mp4") as media:
        frames = chain.from_iterable(block.frames for block in media)
        chosen = np.stack(list(islice(frames, first, first + count + 4)))
    frames = torch.from_numpy(chosen).permute(0, 3, 1, 2).float()
    audio = read_wav(reference / "golden" / "released_clip.wav")[: golden["n_frames"] * HOP]
    audio = np.pad(audio, 15 * HOP).astype(np.float32)
    crops = torch.from_numpy(audio).unfold(0, 5 * HOP, HOP)[first : first + count + 30]
    with torch.inference_mode():
        video = sync_network.video_tokens(sync_network.visual.frames(frames))
        tokens = sync_network.audio_tokens(crops)
        rows = sync_network.delay_rows(video, tokens)
        activations = sync_network.activations(video, tokens[15 : 15 + count])
    part = slice(first, first + count)
    np.testing.assert_allclose(rows, golden["sync_logits"][part], rtol=0, atol=1e-3)
    largest = np.abs(golden["av_activation"][part]).max()
    np.testing.assert_allclose(
        activations, golden["av_activation"][part], rtol=0, atol=1e-4 * largest
    )
