import numpy as np
import pytest

from avforensics.data.manifest import Manifest
from avforensics.data.missync import FADE, draw_jump, jump, partners, sound_of, swap
from avforensics.data.row import Row
from avforensics.errors import ManifestError, MediaError
from avforensics.media.types import HOP
from avforensics.media.wav import read_wav, write_wav
from avforensics.media.writer import write_clip

N = 60


def counted(n_frames=N):
    """Make sound whose samples encode their position: frame k holds 10 k."""
    return np.repeat(10 * np.arange(n_frames, dtype=np.int16), HOP)


def frames_of(sound):
    """Return the value in each frame of `counted` sound, away from the frame's edges."""
    return sound.reshape(-1, HOP)[:, HOP // 2] // 10


def row(name, **values):
    return Row(f"/clips/{name}.mp4", 0, identity=values.pop("identity", name), **values)


@pytest.mark.parametrize("by", [5, -5])
def test_a_jump_keeps_the_beginning_and_moves_the_rest(by):
    found = jump(row("a"), counted(), frame=30, by=by)
    expected = np.concatenate([np.arange(30), np.arange(30 + by, N)])[:N]
    np.testing.assert_array_equal(frames_of(found), expected)
    faded = found[30 * HOP : 30 * HOP + FADE]
    assert (faded[0], faded[-1]) == (300, 10 * (30 + by))


def test_a_part_of_a_file_keeps_what_lies_before_it():
    part = row("a", start=0.4, duration=1.2)  # frames 10 to 39
    found = jump(part, counted(), frame=15, by=-3)
    expected = np.concatenate([np.arange(25), np.arange(22, 37)])
    np.testing.assert_array_equal(frames_of(found), expected)
    swapped = swap(part, counted(), row("b"), -counted())
    np.testing.assert_array_equal(
        frames_of(swapped), np.concatenate([np.arange(10), -np.arange(30)])
    )


def test_partners_are_other_people_where_there_are_any():
    rows = [row(f"a{i}", identity="ann") for i in range(5)] + [row("b", identity="ben")]
    found = partners(rows, seed=0)
    assert found[:5] == [5] * 5
    assert found[5] < 5
    alone = rows[:5]
    assert all(other != own for own, other in enumerate(partners(alone, seed=0)))
    with pytest.raises(ManifestError, match="two clips"):
        partners(alone[:1], seed=0)


def test_draws_depend_on_seed_and_the_clips_own_name_only():
    drawn = draw_jump(row("a"), counted(), (4, 12), seed=0)
    assert drawn == draw_jump(row("a"), counted(), (4, 12), seed=0)
    moved = Row("/data/a/1.mp4", 0)
    assert draw_jump(moved, counted(), (4, 12), seed=0) == draw_jump(
        Row("a/1.mp4", 0), counted(), (4, 12), seed=0
    )
    paths = [f"/data/c{i}/1.mp4" for i in range(50)]  # names like those made by preprocess
    others = [draw_jump(Row(p, 0), counted(), (4, 12), seed=0) for p in paths]
    assert len({abs(d["by"]) for d in others}) > 5
    assert all(4 <= abs(d["by"]) <= 12 and N * 3 // 8 <= d["frame"] < N * 5 // 8 for d in others)
    assert {d["by"] > 0 for d in others} == {True, False}
    with pytest.raises(MediaError, match="60 frames are too few for a jump of 16 frames"):
        draw_jump(row("a"), counted(), (16, 20), seed=0)


def test_the_command_writes_a_set_and_counts_what_fails(tmp_path, avforensics):
    picture = np.zeros((N, 32, 32, 3), np.uint8)
    rows = []
    for name in ("ann", "ben c", "-d"):
        write_clip(tmp_path / f"{name}.mp4", picture, counted())
        write_wav(tmp_path / f"{name}.own.wav", counted() + len(name))
        sound = str(tmp_path / f"{name}.own.wav")
        rows.append(Row(str(tmp_path / f"{name}.mp4"), 0, "real", identity=name, audio=sound))
    rows[1] = rows[1]._replace(start=0.2)
    rows.append(Row(str(tmp_path / "gone.mp4"), 0, "real", identity="gone"))
    Manifest(rows).write(tmp_path / "m.csv")
    code = avforensics(
        "forge", f"manifest={tmp_path / 'm.csv'}", f"output={tmp_path / 'out'}",
        "kinds=[swap,jump,part]", "select.split=null", f"output_dir={tmp_path / 'log'}",
    )  # fmt: skip
    assert code == 1
    made = Manifest.read(tmp_path / "out" / "manifest.csv")
    assert [r.category for r in made] == [
        kind for kind in ("real", "jump", "part", "swap") for _ in range(3)
    ]
    assert [r.label for r in made] == [0] * 3 + [1] * 9
    made.require_files()
    for source, kept in zip(rows, made.rows[:3], strict=False):
        versions = {r.category: read_wav(r.audio) for r in made if r.path == kept.path}
        (length,) = {len(sound) for sound in versions.values()}  # length does not reveal the kind
        assert (N - 12) * HOP <= length <= N * HOP
        own = read_wav(source.audio)[:length]
        np.testing.assert_array_equal(versions["real"], own)
        forged = next(r for r in made if r.category == "part" and r.path == kept.path)
        changed = np.flatnonzero(read_wav(forged.audio) != own) / 16000
        ((start, end),) = forged.segments
        assert length // HOP // 5 <= round(25 * (end - start)) <= 2 * N / 5
        assert start <= changed[0] < start + 0.02
        assert end - 0.02 < changed[-1] < end
    assert "gone.mp4" in (tmp_path / "out" / "failures.csv").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["kinds=[jump]"], "none of the 1 clips can be forged, e.g. "),
        (["jump=[4]"], "jump must be [least, most] in frames"),
        (["jump=[9,4]"], "jump must be [least, most] in frames"),
    ],
)
def test_nothing_to_forge_is_one_sentence(tmp_path, refusal, words, sentence):
    Manifest([Row(str(tmp_path / "gone.mp4"), 0)]).write(tmp_path / "m.csv")
    words = [f"manifest={tmp_path / 'm.csv'}", f"output={tmp_path / 'out'}", *words]
    words += ["select.split=null", f"output_dir={tmp_path / 'log'}"]
    assert sentence in refusal("forge", *words)


def test_sound_is_counted_from_the_first_frame(tmp_path):
    write_clip(tmp_path / "a.mp4", np.zeros((N, 32, 32, 3), np.uint8), counted())
    sound = sound_of(Row(str(tmp_path / "a.mp4"), 0))
    assert abs(len(sound) - N * HOP) <= 2 * HOP
    with pytest.raises(MediaError, match="too short"):
        sound_of(Row(str(tmp_path / "a.mp4"), 0, duration=0.5))
