"""Collect the runs of ``avforensics evaluate -m`` in one table and one figure."""

from __future__ import annotations

import logging

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from avforensics.errors import AVForensicsError
from avforensics.evaluation.sweep import axes_of, only_varying, read_runs, write_sweep

log = logging.getLogger(__name__)


class CollectRuns(Callback):
    """Write sweep.csv, sweep.md and sweep.png next to the folders of the runs."""

    def on_multirun_end(self, config: DictConfig, **kwargs: object) -> None:
        """Collect the results of the runs, or log why they could not be collected."""
        folder = config.hydra.sweep.dir
        names = [word.split("=", 1)[0].lstrip("+~") for word in config.hydra.overrides.task]
        names += list(config.hydra.sweeper.get("params") or {})
        names = [name for name in dict.fromkeys(names) if _is_setting(config, name)]
        try:
            points = read_runs(folder, names)
        except AVForensicsError as error:
            log.warning("the runs were not collected: %s", error)
            return
        if axes_of(points):
            write_sweep(only_varying(points), folder)
            print(f"collected {len(points)} runs in {folder}/sweep.md and sweep.png")


def _is_setting(config: DictConfig, name: str) -> bool:
    """Return True if a name belongs to a plain setting, not to a configuration group."""
    if name == "output_dir":
        return False
    absent = OmegaConf.create()
    try:
        value = OmegaConf.select(config, name, default=absent, throw_on_missing=True)
    except OmegaConfBaseException:  # it has no value, or one that only the runs can resolve
        return True
    return not OmegaConf.is_config(value)
