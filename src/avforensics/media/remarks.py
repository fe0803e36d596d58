"""What a person should know of a file, in words: pages and tables all take their sentences here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from avforensics.media.types import FPS, SAMPLE_RATE, MediaReport, Track

# Differences (s) above which a warning is issued.
LATE_SECONDS = 1 / FPS
SHORTER_SECONDS = 0.1
LONGER_SECONDS = 0.5
# dB below full scale: there a tenth of the log-mel of speech is off by 0.3 to 0.5 in int16.
FAINT = -38.0


def remarks(report: MediaReport, *, whole: bool = True) -> Iterator[str]:
    """Sentences about a file, from its complete report.

    Parameters
    ----------
    whole : bool
        Whether it was read to its end; lengths are compared only then.
    """
    yield from of_file(report)
    yield from of_part(report, whole=whole)


def of_file(report: MediaReport) -> Iterator[str]:
    """Sentences that hold for every part of a file."""
    for kind in ("video", "audio"):
        yield from _choice([track for track in report.tracks if track.kind == kind])
    yield from _clock(report)
    declared, found = report.declared, report.found
    if declared is not None and declared - found > LONGER_SECONDS:
        yield f"cut off: {found:.2f} s of the {declared:.2f} s that the file declares"
    if report.channels:
        yield report.channels


def of_part(report: MediaReport, *, whole: bool = False) -> Iterator[str]:
    """Sentences about what was read of a file."""
    if report.skipped_packets:
        yield damaged_packets(
            video=report.skipped_packets - report.skipped_audio, audio=report.skipped_audio
        )
    yield from of_pictures(report.concealed, report.resized, report.refused_aspect)
    if "tone-mapped" in report.tone_map:
        yield f"high dynamic range: {report.tone_map}"
    if whole:
        yield from _lengths(report)
    if report.audio_start is not None and report.audio_start > LATE_SECONDS:
        yield f"audio starts {report.audio_start:.2f} s after video; silence was put in front"
    yield from of_sound(report.not_finite)
    if report.level is None:
        if report.audio_samples:
            yield "audio is silent: every sample is zero"
    elif report.level < FAINT:
        yield (
            f"the sound is faint ({-report.level:.0f} dB below full scale): rounding to 16 bits "
            "adds noise to it"
        )


def damaged_packets(*, video: int | None = None, audio: int | None = None) -> str:
    """A sentence that counts damaged packets; None leaves a kind out."""
    counts = {"video": video, "audio": audio}
    told = ", ".join(f"{count} of {kind}" for kind, count in counts.items() if count is not None)
    return f"damaged packets left out: {told}"


def of_pictures(concealed: int, resized: int, refused_aspect: str = "") -> Iterator[str]:
    """Sentences about frames that are not as they were recorded."""
    if concealed:
        yield f"damaged frames mended by the decoder: {concealed}"
    if resized:
        yield f"pictures of another size or shape fitted into the first one's: {resized}"
    if refused_aspect:
        yield f"the file's pixel aspect of {refused_aspect} cannot be right; pixels taken as square"


def of_sound(not_finite: int) -> Iterator[str]:
    """Sentences about samples that are not as they were recorded."""
    if not_finite:
        yield f"audio holds NaN or infinite samples: {not_finite} replaced by zeros"


def describe(track: Track) -> str:
    """A track in a few words: ``track 1 (aac, 48000 Hz stereo, eng, default)``."""
    told = [track.codec, track.detail, track.language, track.title and f'"{track.title}"']
    told += [*(flag.replace("_", " ") for flag in track.flags), track.note]
    return f"track {track.number} ({', '.join(filter(None, told))})"


def _choice(tracks: Sequence[Track]) -> Iterator[str]:
    """What was read of several tracks of a kind."""
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
            "all frames were read in their order"
        )
    if report.strays:
        yield f"damaged time stamps mended: {report.strays}"


def _lengths(report: MediaReport) -> Iterator[str]:
    picture, sound = report.video_frames / FPS, report.audio_samples / SAMPLE_RATE
    if picture - sound > SHORTER_SECONDS:
        yield f"audio shorter than video ({sound:.2f} s of {picture:.2f} s)"
    if sound - picture > LONGER_SECONDS:
        yield f"video shorter than audio ({picture:.2f} s of {sound:.2f} s)"
