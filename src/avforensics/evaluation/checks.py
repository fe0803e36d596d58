"""Check that a feature store, a checkpoint and a policy are compatible."""

from __future__ import annotations

from collections.abc import Sequence

from avforensics.checkpoints import Models
from avforensics.checkpoints.states import network_digest
from avforensics.errors import ConfigError
from avforensics.features.store import FeatureStore
from avforensics.fields import check_choice
from avforensics.scoring.sequences import SequencePolicy

STATISTICS = ("mean", "max")
SCORE_PARTS = ("both", "distribution", "activation")


def as_scored(store: FeatureStore, models: Models) -> FeatureStore:
    """Restrict a store to the delays of the models.

    Raises
    ------
    ConfigError
        The store has fewer delays than the models.
    """
    return store if models.max_delay is None else store.within(models.max_delay)


def check_network(store: FeatureStore, models: Models) -> None:
    """Raise ConfigError if the store and the models have different synchronisation networks."""
    network = models.metadata.get("network")  # set in bundles that contain only decoders
    if models.sync is not None:
        network = network_digest(models.sync)
    if network is not None and network != store.info.network:
        raise ConfigError(
            f"{store.folder}: the features and the checkpoint's decoders belong to different "
            "synchronisation networks"
        )


def check_statistic(statistic: str, part: str) -> None:
    """Raise ConfigError if ``statistic`` is unknown or does not support ``part``."""
    check_choice("statistic", statistic, STATISTICS)
    if statistic == "max" and part != "both":
        raise ConfigError("statistic=max needs part=both")


def check_models(
    models: Models, policy: SequencePolicy, part: str, lams: Sequence[float]
) -> Models:
    """Select the models that a score needs, and check them against the policy.

    Raises
    ------
    CheckpointError
        A model is missing.
    ConfigError
        ``part`` is unknown, or a decoder was trained for shorter sequences.
    """
    check_choice("part", part, SCORE_PARTS)
    models = models.to_score(lams, part)
    policy.check(distribution=models.distribution, activation=models.activation)
    return models


def check_store(store: FeatureStore, models: Models, policy: SequencePolicy) -> None:
    """Raise ConfigError if a store does not support the policy or the models."""
    kept = store.info.max_windows
    unheard = store.info.max_delay if policy.audio == "context" else 0
    needed = policy.max_len + unheard
    if kept is not None and (policy.windows == "all" or kept < needed):
        wanted = "every window" if policy.windows == "all" else f"{needed} windows"
        raise ConfigError(
            f"{store.folder} holds the first {kept} windows of each clip, but windows="
            f"{policy.windows} with audio={policy.audio} needs {wanted}"
        )
    width = 0 if models.projection is None else models.projection.inputs
    if width and store.info.activations != "none" and store.info.activation_width != width:
        raise ConfigError(
            f"{store.folder}: activations have {store.info.activation_width} values, but the "
            f"projection expects {width}: it belongs to another synchronisation network"
        )
