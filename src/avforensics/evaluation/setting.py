"""Settings on which a score depends; a calibration stores them and checks them when used."""

from __future__ import annotations

from avforensics.checkpoints import Models
from avforensics.checkpoints.states import network_digest
from avforensics.scoring.sequences import SequencePolicy


def scoring_setting(
    models: Models,
    policy: SequencePolicy,
    lam: float,
    *,
    part: str = "both",
    network: str | None = None,
) -> dict[str, object]:
    """Return the hashes of all networks, the policy, lam and part, as JSON values.

    Parameters
    ----------
    part : {"both", "distribution", "activation"}
        Part of the score.
    network : str, optional
        SHA-256 of the synchronisation network, if ``models`` does not contain the network.
    """
    setting: dict[str, object] = {
        "part": part,
        "lam": float(lam),
        "max_len": policy.max_len,
        "windows": policy.windows,
        "audio": policy.audio,
    }
    setting |= {name: network_digest(module) for name, module in models.parts()}
    return setting | ({} if network is None else {"sync": network})
