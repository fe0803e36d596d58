"""Read labels in common spellings."""

from __future__ import annotations

import logging
import re
from os import PathLike

from avforensics.errors import ManifestError

log = logging.getLogger(__name__)

FAKE = {"fake", "spoof", "spoofed", "forged", "forgery", "manipulated", "deepfake", "tampered"}
FAKE |= {"synthetic", "generated"}
REAL = {"real", "bonafide", "genuine", "authentic", "pristine", "original"}
TRUTH = {"true": 1, "false": 0}
SPELLINGS = (
    "0 (real) or 1 (fake), or one of the words real, bona-fide, genuine, fake, spoof, forged, true "
    "(= 1) or false (= 0)"
)


class Labels:
    """Reader of labels: 1 = fake, 0 = real.

    Numbers (``1``, ``1.0``) and ``true`` / ``false`` are read according to ``fake``, so that the
    polarity is never guessed; words such as ``spoof`` and ``bona-fide`` have a fixed meaning. Case,
    blanks and hyphens are ignored.

    Parameters
    ----------
    fake : int
        Number that means fake, 1 or 0; ``true`` counts as 1.

    Raises
    ------
    ManifestError
        ``fake`` is not 0 or 1.
    """

    def __init__(self, fake: int = 1) -> None:
        if fake not in (0, 1):
            raise ManifestError(f"fake must be 0 or 1 (the label of a fake), got {fake}")
        self.fake = int(fake)
        self._read: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """Return the label of a text; raise ValueError if the text is not a label."""
        if text not in self._read:
            label = self._parse(text)
            if label is None:
                raise ValueError(f"label must be {SPELLINGS}, got {text!r}")
            self._read[text] = label
        return self._read[text]

    def known(self, text: str) -> bool:
        """Return True if ``text`` is a label."""
        return self._parse(text) is not None

    def tell(self, source: str | PathLike) -> None:
        """Log how labels were read, unless all were plain 0 and 1 with 1 = fake."""
        if self._read.keys() <= {"0", "1"} and self.fake == 1:
            return
        read = ", ".join(f"{text} as {label}" for text, label in sorted(self._read.items()))
        log.info("%s: label 1 means fake; read %s", source, read)

    def _parse(self, text: str) -> int | None:
        text = text.strip(" '\"")
        word = re.sub(r"[\s_-]", "", text).casefold()
        if word in FAKE or word in REAL:
            return int(word in FAKE)
        try:
            number = TRUTH[word] if word in TRUTH else float(text)
        except ValueError:
            return None
        return int(number == self.fake) if number in (0, 1) else None
