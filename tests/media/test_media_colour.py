"""High dynamic range and wide gamut: reading gives the SDR picture that a file was made from."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation, VideoReformatter

from avforensics.media import MediaOptions, open_media
from avforensics.media.clips import ClipReader
from avforensics.media.colour import BT709, BT2020, HLG, P3, PQ
from avforensics.media.crop import MovingCrop
from avforensics.media.frames import scaled
from avforensics.media.remarks import of_file
from avforensics.media.stills import stills
from avforensics.media.video import VideoReader

SIDE = 32
COLOURS = np.array(
    [  # SDR in BT.709: greys, skin, lips and a blue background, all below the knee
        [(0, 0, 0), (16, 16, 16), (60, 60, 60), (120, 120, 120), (180, 180, 180)],
        [(181, 137, 110), (120, 84, 66), (150, 80, 80), (40, 120, 160), (90, 160, 70)],
    ],
    np.uint8,
)
# BT.2087, and its equivalent for P3 with D65 white.
FROM_709 = {
    BT2020: [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]],
    P3: [[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]],
    BT709: np.eye(3),
}


def hlg(light, weights=(0.2627, 0.6780, 0.0593)):
    """Convert display light, (..., 3), 1 = 1,000 cd/m2, by default BT.2020, to a BT.2100 signal."""
    luminance = light @ np.array(weights)
    scene = light * np.maximum(luminance, 1e-12)[..., None] ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12,
        np.sqrt(3 * np.maximum(scene, 0)),
        0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073,
    )


def pq(nits):
    power = (np.maximum(nits, 0) / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def signal_of(colours, transfer, primaries):
    """Signal, 0..1, of a correctly made file."""
    light = (colours / 255.0) ** 2.4 @ np.transpose(FROM_709[primaries])
    if transfer == HLG:
        return hlg(light * 0.203, MATRICES[1 if primaries == BT709 else 9])
    if transfer == PQ:
        return pq(light * 203)
    return np.clip(light, 0, 1) ** (1 / 2.4)


def planes_of(signal, bits, full, weights):
    """Luma and colour differences (non-constant luminance) as integers: (3, H, W)."""
    red, _, blue = weights
    luma = signal @ np.array(weights)
    u, v = (signal[..., 2] - luma) / (2 - 2 * blue), (signal[..., 0] - luma) / (2 - 2 * red)
    if full:
        most = 2**bits - 1
        values = luma * most, u * most + 2 ** (bits - 1), v * most + 2 ** (bits - 1)
    else:
        by = 2 ** (bits - 8)
        values = (219 * luma + 16) * by, (224 * u + 128) * by, (224 * v + 128) * by
    return np.rint(np.stack(values)).clip(0, 2**bits - 1)


MATRICES = {9: (0.2627, 0.6780, 0.0593), 1: (0.2126, 0.7152, 0.0722)}


def written(
    path,
    colours=COLOURS,
    *,
    transfer=HLG,
    primaries=BT2020,
    bits=10,
    full=False,
    codec="ffv1",
    matrix=9,
    said=None,
    count=10,
):
    """Write a file of patches; ``said`` are the transfer and primaries that it declares."""
    signal = signal_of(colours.astype(float), transfer, primaries)
    signal = signal.repeat(SIDE, 0).repeat(SIDE, 1)
    values = planes_of(signal, bits, full, MATRICES[matrix])
    pixels = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
    said = (transfer or 14, primaries) if said is None else said
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width = values.shape[1:]
        stream.pix_fmt = pixels
        context = stream.codec_context
        context.color_trc, context.color_primaries = said
        context.colorspace, context.color_range = matrix, 2 if full else 1
        if codec == "libx265":
            stream.options = {"x265-params": "lossless=1:log-level=error:bframes=0"}
        sound = out.add_stream("aac", rate=16_000, layout="mono")
        for n in range(count):
            frame = av.VideoFrame(values.shape[2], values.shape[1], pixels)
            for plane, content in zip(frame.planes, values, strict=True):
                kind = np.uint8 if bits == 8 else np.uint16
                rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
                rows[:, : plane.width] = content
            frame.pts, frame.time_base = n, Fraction(1, 25)
            frame.colorspace, frame.color_range = matrix, 2 if full else 1
            frame.color_trc, frame.color_primaries = said
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        tone = (3000 * np.sin(np.arange(count * 640) / 5)).astype(np.int16)
        for start in range(0, len(tone), 1024):
            piece = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], "s16", "mono")
            piece.sample_rate, piece.pts, piece.time_base = 16_000, start, Fraction(1, 16_000)
            out.mux(sound.encode(piece))
        out.mux(sound.encode(None))
    return path


def patches(picture, rows=2, columns=5):
    """Colour in the middle of each patch."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    return picture[height // 2 :: height, width // 2 :: width].astype(int)


def read(path):
    with VideoReader(path) as video:
        return np.asarray(video.upright(next(iter(video))))


KINDS = {
    "HLG": {},
    "PQ": {"transfer": PQ},
    "HLG, full range": {"full": True},
    "PQ, 12 bits": {"transfer": PQ, "bits": 12},
    "PQ, 8 bits": {"transfer": PQ, "bits": 8},
    "HLG in HEVC": {"codec": "libx265"},
    "PQ in HEVC, full range": {"codec": "libx265", "transfer": PQ, "full": True},
    "PQ of P3": {"transfer": PQ, "primaries": P3},
    "PQ of BT.709": {"transfer": PQ, "primaries": BT709},
    "SDR of BT.2020": {"transfer": None},
    "SDR of BT.2020, full range": {"transfer": None, "full": True},
    "SDR of BT.2020, 8 bits": {"transfer": None, "bits": 8},
    "SDR of BT.2020, only its matrix said": {"transfer": None, "said": (2, 2)},
    "SDR of P3": {"transfer": None, "primaries": P3, "said": (1, P3), "matrix": 1},
    "SDR of BT.709, 10 bits": {
        "transfer": None,
        "primaries": BT709,
        "said": (1, 1),
        "matrix": 1,
    },
    "HLG, primaries not said": {"said": (HLG, 2)},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_colours_are_those_of_the_sdr_picture(tmp_path, options):
    suffix = ".mp4" if options.get("codec") == "libx265" else ".mkv"
    path = written(tmp_path / f"a{suffix}", **options)
    step = 8 if options.get("bits") == 8 else 2  # levels
    assert np.abs(patches(read(path)) - COLOURS).max() <= step
    (still,) = stills(path, [0.0])
    assert np.abs(patches(np.asarray(still)) - COLOURS).max() <= step


WRONG = {
    "HLG": {"said": (HLG, BT2020)},
    "HLG, primaries not said": {"said": (HLG, 2)},
    "PQ in HEVC, full range": {
        "transfer": PQ,
        "codec": "libx265",
        "full": True,
        "said": (PQ, BT2020),
    },
    "SDR": {"transfer": None, "said": (14, BT2020)},
    "SDR of P3": {"transfer": None, "said": (1, P3), "matrix": 1},
}
BLUE = np.where(np.arange(5)[:, None] < 4, [(30, 110, 150)], COLOURS).astype(np.uint8)


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_a_gamut_that_the_colours_contradict_is_ignored(tmp_path, options):
    """A blue background in BT.709 with the tag of a wider gamut would be outside BT.709."""
    suffix = ".mov" if options.get("codec") == "libx265" else ".mkv"
    path = written(tmp_path / f"a{suffix}", BLUE, primaries=BT709, **options)
    (still,) = stills(path, [0.2])
    with open_media(path, MediaOptions(size=20)) as media:
        frames = np.concatenate([block.frames for block in media])
    for picture in (read(path), np.asarray(still)):
        assert np.abs(patches(picture) - BLUE).max() <= 3
    assert np.abs(patches(frames[4]) - BLUE).mean() < 6
    assert any("the tag of a wider gamut is ignored" in line for line in media.report.warnings)


@pytest.mark.parametrize("transfer", [HLG, PQ, None], ids=["HLG", "PQ", "SDR"])
def test_the_same_colours_rightly_tagged_are_converted(tmp_path, transfer):
    path = written(tmp_path / "a.mkv", BLUE, transfer=transfer)
    assert np.abs(patches(read(path)) - BLUE).max() <= 2
    with VideoReader(path) as video:
        assert video.colours.primaries == BT2020 and "ignored" not in video.colours.conversion


@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["HLG", "PQ"])
def test_highlights_follow_the_curve_of_bt_2390(tmp_path, transfer):
    """Greys above the knee, up to 1,000 cd/m2, follow the published curve step by step."""
    nits = np.array([[80, 93, 120, 203, 300], [400, 500, 700, 900, 1000]], float)
    greys = 255 * (nits / 203) ** (1 / 2.4)  # signal_of accepts levels above 255
    path = written(tmp_path / "a.mkv", greys[..., None].repeat(3, -1), transfer=transfer)
    peak, goal = pq(1000.0), pq(203.0)
    knee = 1.5 * goal / peak - 0.5
    wanted = []
    for value in nits.flat:
        e = pq(value) / peak
        if e >= knee:
            t = (e - knee) / (1 - knee)
            e = (
                (2 * t**3 - 3 * t**2 + 1) * knee
                + (t**3 - 2 * t**2 + t) * (1 - knee)
                + (-2 * t**3 + 3 * t**2) * goal / peak
            )
        power = (e * peak) ** (32 / 2523)
        light = 10_000 * ((power - 3424 / 4096) / (2413 / 128 - 2392 / 128 * power)) ** (
            16384 / 2610
        )
        wanted.append(255 * (light / 203) ** (1 / 2.4))
    found = patches(read(path))
    assert np.abs(found - np.reshape(wanted, (2, 5, 1))).max() <= 2
    assert found[0, 0, 0] < found[0, 3, 0] < found[1, 0, 0] <= found[1, 4, 0]


def test_bright_lights_keep_their_hue(tmp_path):
    colours = np.full((2, 5, 3), (300.0, 260.0, 240.0))
    found = patches(read(written(tmp_path / "a.mkv", colours)))[0, 0] / 255.0
    ratio = (found**2.4)[1:] / (found**2.4)[:-1]
    np.testing.assert_allclose(ratio, np.divide([260, 240], [300, 260]) ** 2.4, rtol=0.03)


@pytest.mark.parametrize("side", [31, 40, 47.5, 64])
def test_crops_and_looks_show_the_same(tmp_path, side):
    """Odd sizes are included, where swscale's packed 16-bit formats have wrong colours."""
    path = written(tmp_path / "a.mkv")
    reformatter = VideoReformatter()
    with VideoReader(path) as video:
        frame = next(iter(video))
        whole = np.asarray(video.upright(frame))
        crop = MovingCrop(np.array([[63, 33, side]]))
        cut = crop.cut_stored(frame, video.view, 0, 24, reformatter)
        way = Interpolation.AREA
        look = scaled(frame, (80, 32), reformatter, view=video.view, pixels="bgr24")
        part = scaled(frame, (31, 31), VideoReformatter(), part=(32, 0, 64, 32), interpolation=way)
    wanted = crop.cut(whole, 0, 24).astype(int)
    assert np.abs(cut - wanted).mean() < 2.5
    assert np.abs(patches(look[..., ::-1]) - COLOURS).max() <= 3
    assert np.abs(part[15, 15].astype(int) - COLOURS[0, 1]).max() <= 2


def test_whole_pictures_for_the_network(tmp_path):
    path = written(tmp_path / "a.mkv", transfer=PQ)
    with open_media(path, MediaOptions(size=20)) as media:
        frames = np.concatenate([block.frames for block in media])
    assert len(frames) == 10
    assert np.abs(patches(frames[4]) - COLOURS).mean() < 6, "a patch is four pixels wide"
    report = media.report
    assert report.colour_transfer == "smpte2084" and "BT.2390" in report.tone_map
    (told,) = (line for line in report.warnings if "dynamic range" in line)
    assert told in list(of_file(report))


def test_a_clip_for_training_is_tone_mapped(tmp_path):
    path = written(tmp_path / "a.mp4", codec="libx265", count=25)
    frames = ClipReader(path).frames(3, 2)
    assert np.abs(patches(frames[0]) - COLOURS).max() <= 2


def test_plain_files_say_that_nothing_was_done(make_video):
    with open_media(make_video()) as media:
        for _ in media:
            pass
    assert media.report.tone_map == "" and not media.report.warnings


def test_a_broadcast_that_goes_over_to_hdr(tmp_path):
    """Each frame is read according to its own tags."""
    parts = [
        written(tmp_path / "0.ts", codec="libx265", transfer=None, primaries=BT709, said=(1, 1),
                matrix=1),
        written(tmp_path / "1.ts", codec="libx265"),
    ]  # fmt: skip
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with VideoReader(path) as video:
        pictures = [np.asarray(video.upright(frame)) for frame in video]
    for picture in (pictures[2], pictures[-2]):
        assert np.abs(patches(picture) - COLOURS).max() <= 3
