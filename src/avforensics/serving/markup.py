"""What the page says, as HTML: how far an upload is, its answer, a mistake."""

from __future__ import annotations

from html import escape
from string import Template

from avforensics.serving.jobs import Job
from avforensics.serving.limits import Limits

STYLE = """
.note { padding: 12px 16px; border: 1px solid var(--border-color-primary); border-radius: 8px; }
.note progress { width: 100%; height: 12px; accent-color: #0072b2; }
.mistake { border-color: #d55e00; }
.answer { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: baseline; }
.report { width: 100%; height: 85vh; border: 1px solid var(--border-color-primary);
  border-radius: 8px; background: #fff; }
.refused:empty { display: none; }
"""

# A file that is too large is refused before it is sent, in the page's own words.
GUARD = """<script>
for (const kind of ["change", "drop"]) document.addEventListener(kind, event => {
  const file = (event.target.files ?? event.dataTransfer?.files)?.[0];
  const refused = document.getElementById("refused");
  if (!file || !refused) return;
  refused.textContent = "";
  if (file.size <= $max_bytes) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.target.files) event.target.value = "";
  const size = (file.size / 1e6).toFixed(1);
  refused.textContent = `$${file.name}: the file has $${size} MB; $megabytes MB are allowed.`;
}, true);
</script>"""
REFUSED = '<div class="note mistake refused" id="refused" role="status"></div>'


def guard(limits: Limits) -> str:
    """The script that keeps large files from being sent."""
    megabytes = f"{limits.max_megabytes:g}"
    return Template(GUARD).substitute(max_bytes=limits.max_bytes, megabytes=megabytes)


def receiving(name: str) -> str:
    """An upload has come."""
    return _note(f"<b>{escape(name)}</b> has arrived.", state="waiting")


def waiting(job: Job, before: int) -> str:
    """How many videos come first."""
    others = "another video" if before == 1 else f"{before} other videos"
    return _note(f"<b>{escape(job.name)}</b> waits for {others} to be finished.", state="waiting")


def running(job: Job, seconds: float) -> str:
    """A bar; it has no end while nothing is known."""
    value = f' value="{job.share:.3f}"' if job.share else ""
    return _note(
        f"<b>{escape(job.name)}</b>: {escape(job.stage)} ({seconds:.0f} s)<br>"
        f'<progress max="1"{value} aria-label="Progress"></progress>',
        state="running",
    )


def mistake(name: str, reason: str) -> str:
    """Why there is no answer, in a sentence."""
    return _note(f"<b>{escape(name)}</b>: {escape(reason)}.", state="failed", kind=" mistake")


def answer(job: Job) -> str:
    """The score, and links to everything there is."""
    address = f"results/{job.token}"
    links = "".join(
        f'<a href="{address}/{escape(name)}" download="{escape(name)}">Download {escape(name)}</a>'
        for name in job.answer.files
    )
    return _note(
        f"<span><b>{escape(job.name)}</b>: {escape(job.answer.summary)}</span>"
        f'<a href="{address}/report.html" target="_blank" rel="noopener">Open the report alone</a>'
        f"{links}",
        state="done",
        kind=" answer",
    )


def report(job: Job) -> str:
    """The report in a frame of its own that can reach nothing of the page around it."""
    return (
        f'<iframe class="report" title="Report" sandbox="allow-scripts allow-downloads" '
        f'src="results/{job.token}/report.html"></iframe>'
    )


def _note(inner: str, *, state: str, kind: str = "") -> str:
    return f'<div class="note{kind}" data-state="{state}" role="status">{inner}</div>'
