"""A feature store with synthetic features, and its evaluation without a command."""

from pathlib import Path

import numpy as np

from avforensics.evaluation.stored import StoreScorer, choose, fit_delay_frequency, one_thread
from avforensics.evaluation.stored_score import scored_video
from avforensics.evaluation.summary import summarise
from avforensics.features.shards import Extracted, ShardWriter, read_clips
from avforensics.features.store import Entry, FeatureStore, StoreInfo, write_index, write_info

DELAYS, ACTIVATIONS = 31, 40
FAKES = ("RVFA", "FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL")


def peak_at(delay) -> np.ndarray:
    """Make logits over delays that peak at indices: (..., 1) -> (..., DELAYS)."""
    return 6 * np.exp(-0.5 * ((np.arange(DELAYS) - delay) / 1.5) ** 2)


def features(rng, windows: int, *, fake: bool, span: tuple[int, int] | None = None) -> dict:
    """Make rows that peak near one delay, but anywhere in a fake (or within its ``span``)."""
    peak = np.full(windows, 15)
    wrong = np.full(windows, bool(fake) and span is None)
    if span is not None:
        wrong[slice(*span)] = True
    peak[wrong] = rng.integers(0, DELAYS, wrong.sum())
    logits = rng.normal(scale=0.5, size=(windows, DELAYS))
    logits += peak_at(peak[:, None])
    valid_audio = np.arange(windows) >= 15
    valid_audio[max(windows - 15, 0) :] = False
    return {
        "sync_logits": logits.astype(np.float32),
        "valid_audio": valid_audio,
        "activations": rng.normal(size=(windows, ACTIVATIONS)).astype(np.float32),
    }


def make_store(
    folder: Path,
    *,
    people: int = 10,
    windows: int = 60,
    categories=FAKES,
    failed: int = 1,
    name: str = "id",
) -> FeatureStore:
    """Make a store with two real training clips, a real test clip and test fakes per person.

    ``failed`` real test clips could not be read; people are called ``name`` and a number.
    """
    rng = np.random.default_rng(0)
    rows = []
    with ShardWriter(folder) as writer:

        def add(split, category, person, number):
            path = f"/data/{category}/{name}{person:02d}_{number}.mp4"
            fake = int(category != "real")
            broken = split == "test" and not fake and person < failed
            silence = 0.4 if category == "FVFA-WL" else 0.0
            error = "damaged" if broken else None
            clip = Extracted(key=path, size=1, mtime_ns=1, silence=silence, error=error)
            span = (20, 45) if category == "partial" else None
            segments = (((span[0] + 2) / 25, (span[1] + 2) / 25),) if span else ()
            writer.add(clip, **({} if broken else features(rng, windows, fake=fake, span=span)))
            rows.append((path, fake, category, f"{name}{person:02d}", split, segments))

        for person in range(people):
            for number in range(2):
                add("anomaly", "real", person + people, number)
            for category in ("real", *categories):
                add("test", category, person, 0)
    clips, _ = read_clips(folder)
    kind = {"activations": "float32", "max_windows": None, "precision": "float32"}
    known = {"network": "0" * 64, "checkpoints": {"sync_model.pth": "0" * 64}}
    write_info(folder, StoreInfo(max_delay=15, activation_width=ACTIVATIONS, **kind, **known))
    names = ("path", "label", "category", "identity", "split", "segments")
    entries = [Entry(**dict(zip(names, row, strict=True)), clip=clips[row[0]]) for row in rows]
    write_index(folder, entries)
    return FeatureStore.open(folder)


def evaluated(store, models, policy, *, lam=0.0, resamples=5) -> tuple[list, dict]:
    """Rows and summary of the split ``test``."""
    chosen = choose(store, split="test")
    frequency = fit_delay_frequency(store, "anomaly", leave_out=chosen)
    scorer = StoreScorer(store, models, policy, lams=[lam], delay_frequency=frequency)
    with one_thread():
        rows = [scored_video(store, scorer.score(index)) for index in chosen]
    return rows, summarise(rows, resamples=resamples)
