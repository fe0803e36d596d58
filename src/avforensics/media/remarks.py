"""Warnings about a file, worded alike in pages, tables and logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from avforensics.media.types import FPS, SAMPLE_RATE, MediaReport, Track

# Differences (s) above which a warning is issued.
LATE_SECONDS = 1 / FPS
SHORTER_SECONDS = 0.1
LONGER_SECONDS = 0.5
# Level in dBFS below which rounding to int16 changes a tenth of a voice's log-mels by 0.3 to 0.5.
FAINT = -38.0


def remarks(report: MediaReport, *, whole: bool = True) -> Iterator[str]:
    """Yield warnings about a file.

    Parameters
    ----------
    report : MediaReport
        Complete report of the file.
    whole : bool
        Whether the file was read to its end. The lengths of video and audio are compared only in
        this case.
    """
    yield from of_file(report)
    yield from of_part(report, whole=whole)


def of_file(report: MediaReport) -> Iterator[str]:
    """Yield warnings about the whole file."""
    for kind in ("video", "audio"):
        yield from _choice([track for track in report.tracks if track.kind == kind])
    yield from _clock(report)
    declared, found = report.declared, report.found
    if declared is not None and declared - found > LONGER_SECONDS:
        yield f"cut off: the file declares {declared:.2f} s, but only {found:.2f} s could be read"
    elif report.cut:
        yield f"cut off: {report.cut}"
    if report.joins:
        yield report.joins
    if report.channels:
        yield report.channels
    if report.colour_warning:
        yield report.colour_warning


def of_part(report: MediaReport, *, whole: bool = False) -> Iterator[str]:
    """Yield warnings about the part that was read."""
    if report.skipped_packets:
        yield damaged_packets(
            video=report.skipped_packets - report.skipped_audio, audio=report.skipped_audio
        )
    if report.disordered:
        yield f"frames left out because their time stamps step back: {report.disordered}"
    if report.reordered:
        yield (
            "the file does not say when its frames are shown: they were spaced evenly from the "
            f"first one, perhaps up to {1000 * report.reordered:.0f} ms early"
        )
    yield from of_pictures(report.concealed, report.resized, report.refused_aspect)
    if whole:
        yield from _lengths(report)
    if report.audio_start is not None and report.audio_start > LATE_SECONDS:
        yield f"audio starts {report.audio_start:.2f} s after video; silence was prepended"
    yield from of_sound(report.not_finite)
    if report.level is None:
        if report.audio_samples:
            yield "audio is silent: all samples are zero"
    elif report.level < FAINT:
        yield (
            f"the audio is faint ({-report.level:.0f} dB below full scale): rounding to 16 bits "
            "adds noise"
        )


def damaged_packets(*, video: int | None = None, audio: int | None = None) -> str:
    """Describe damaged packets; a kind of stream is omitted if its count is None."""
    counts = {"video": video, "audio": audio}
    told = ", ".join(f"{count} of {kind}" for kind, count in counts.items() if count is not None)
    return f"damaged packets skipped: {told}"


def of_pictures(concealed: int, resized: int, refused_aspect: str = "") -> Iterator[str]:
    """Yield warnings about concealed or resized frames and about an ignored pixel aspect."""
    if concealed:
        yield f"damaged frames concealed by the decoder: {concealed}"
    if resized:
        yield f"frames of a different size or shape fitted to the first frame: {resized}"
    if refused_aspect:
        yield f"implausible pixel aspect ratio {refused_aspect}: square pixels were assumed"


def of_lengths(video: float, audio: float) -> Iterator[str]:
    """Yield a warning if the audio of a file ends before its video, given their ends in seconds."""
    if video - audio > SHORTER_SECONDS:
        yield f"audio ({audio:.2f} s) shorter than video ({video:.2f} s)"


def of_sound(not_finite: int) -> Iterator[str]:
    """Yield a warning if samples were replaced."""
    if not_finite:
        yield f"NaN or infinite audio samples replaced by zeros: {not_finite}"


def describe(track: Track) -> str:
    """Describe a track briefly: ``track 1 (aac, 48000 Hz stereo, eng, default)``."""
    told = [track.codec, track.detail, track.language, track.title and f'"{track.title}"']
    told += [*(flag.replace("_", " ") for flag in track.flags), track.note]
    return f"track {track.number} ({', '.join(filter(None, told))})"


def _choice(tracks: Sequence[Track]) -> Iterator[str]:
    """Yield a warning that names the track that was read, if there are several tracks."""
    read = [describe(track) for track in tracks if track.chosen]
    others = [describe(track) for track in tracks if not track.chosen]
    if read and others:
        kind = tracks[0].kind
        yield f"{len(tracks)} {kind} tracks: {read[0]} was read, not {', '.join(others)}"


def _clock(report: MediaReport) -> Iterator[str]:
    if report.breaks:
        first, *others = report.breaks
        way = "steps back by" if first.jump < 0 else "jumps ahead by"
        more = f", and breaks {len(others)} more time{'s' * (len(others) > 1)}" if others else ""
        yield (
            f"the file's clock {way} {abs(first.jump):.2f} s at {first.time:.2f} s{more}; "
            "all frames were read in order"
        )
    if report.strays:
        yield f"damaged time stamps repaired: {report.strays}"


def _lengths(report: MediaReport) -> Iterator[str]:
    picture, sound = report.video_frames / FPS, report.audio_samples / SAMPLE_RATE
    yield from of_lengths(picture, sound)
    if sound - picture > LONGER_SECONDS:
        yield f"video ({picture:.2f} s) shorter than audio ({sound:.2f} s)"
