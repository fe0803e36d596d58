"""HTML for the page: the progress, result or error of an upload."""

from __future__ import annotations

from avforensics.report.markup import environment

REFUSED = '<div class="note mistake refused" id="refused" role="status"></div>'


def fill(template: str, **values: object) -> str:
    """Fill one of this package's templates; values are escaped."""
    return environment(__package__).get_template(template).render(values)


def note(state: str, name: str, **values: object) -> str:
    """Render the state of an upload.

    Parameters
    ----------
    state : str
        ``received``, ``waiting`` (needs ``before``), ``running`` (``job`` and ``seconds``),
        ``done`` (``job``) or ``failed`` (``reason``).
    name : str
        File name as uploaded.
    """
    return fill("note.html", state=state, name=name, **values)
