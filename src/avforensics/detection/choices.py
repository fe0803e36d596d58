"""Choose how faces are scored, from a few settings and the network's training crops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avforensics.checkpoints import Models
from avforensics.detection.faces import MODES, FaceOptions
from avforensics.errors import ConfigError
from avforensics.faces.crops import recipe_of
from avforensics.faces.settings import FaceSettings
from avforensics.fields import check_choice
from avforensics.scoring.extractor import trained_recipe
from avforensics.scoring.tracks import RULES

TRAINED = "trained"  # value of ``mode``: score faces as in training


def face_options(
    models: Models,
    *,
    mode: str = TRAINED,
    crop: str | Mapping[str, Any] | None = None,
    score: str = "speaker",
    find: Mapping[str, Any] | None = None,
) -> FaceOptions:
    """Create the options for `VideoScorer`.

    Parameters
    ----------
    models : Models
        Models whose synchronisation network determines the recipe if ``crop`` is None.
    mode : str
        ``given``, ``auto``, ``none`` or ``trained``. ``trained`` means ``auto`` if the checkpoint
        names the recipe of its training crops, else ``given``.
    crop : str or mapping, optional
        Name of a recipe in `avforensics.faces.crops.RECIPES`, or the settings of a `CropRecipe`.
    score : str
        Rule that derives the score of a video from the scores of its faces; see `FaceOptions`.
    find : mapping, optional
        Settings of `FaceSettings`.

    Raises
    ------
    ConfigError
        A value is invalid.
    """
    if mode == TRAINED:
        mode = "given" if models.recipe is None else "auto"
    if mode != "auto":
        if mode in MODES and models.recipe is not None:
            recipe = recipe_of(models.recipe, setting="the checkpoint's recipe")
            return FaceOptions(mode=mode, expected=recipe)
        return FaceOptions(mode=mode)
    check_choice("faces.score", score, RULES)
    # compact networks use the mouth
    recipe = recipe_of(crop or trained_recipe(models) or "mouth", setting="faces.crop")
    settings = {key: value for key, value in (find or {}).items() if key != "_target_"}
    try:
        found = FaceSettings(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"faces.find: {error}") from None
    return FaceOptions(mode=mode, recipe=recipe, rule=score, find=found)
