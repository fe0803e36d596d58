from collections import Counter

import pytest

from avforensics.data.sources.fakeavceleb import fakeavceleb
from avforensics.data.splits import sample
from avforensics.errors import ManifestError

ORIGINAL = "source,target1,target2,method,category,type,race,gender,path,"
LATER = "source,target1,target2,method,category,type,race,gender,filename,path"
A, B = "RealVideo-RealAudio", "RealVideo-FakeAudio"
C, D = "FakeVideo-RealAudio", "FakeVideo-FakeAudio"
# source, target1, target2, method, letter, type, race, gender, file name
CLIPS = [
    ("id00076", "-", "-", "real", "A", A, "African", "men", "00109.mp4"),
    ("id00166", "-", "-", "real", "A", A, "Asian (East)", "women", "00010.mp4"),
    ("id00076", "id00056", "-", "rtvc", "B", B, "African", "men", "00109_fake.mp4"),
    ("id00076", "id01779", "6", "wav2lip", "C", C, "African", "men", "00109_6_wavtolip.mp4"),
    ("id00166", "id00701", "-", "faceswap", "C", C, "Asian (East)", "women", "00010_id00701_x.mp4"),
    ("id00166", "id00701", "-", "fsgan", "C", C, "Asian (East)", "women", "00010_id00701_y.mp4"),
    ("id00366", "id00761", "2", "faceswap-wav2lip", "D", D, "Asian (South)", "men", "a.mp4"),
    ("id00478", "id00476", "4", "fsgan-wav2lip", "D", D, "Caucasian (American)", "men", "b.mp4"),
    ("id00003", "id10001", "4", "wav2lip", "D", D, "Caucasian (European)", "men", "c.mp4"),
]
CATEGORIES = ["real", "real", "RVFA", "FVRA-WL", "FVRA-faceswap", "FVRA-fsgan"]
CATEGORIES += ["FVFA-FS", "FVFA-GAN", "FVFA-WL"]


def table(clips=CLIPS, header=ORIGINAL):
    lines = [",".join([*c, f"FakeAVCeleb/{c[5]}/{c[6]}/{c[7]}/{c[0]}"]) for c in clips]
    return "\n".join([header, *lines]) + "\n"


def places(spell=lambda race: race):
    return {f"{c[5]}/{spell(c[6])}/{c[7]}/{c[0]}/{c[8]}": "" for c in CLIPS}


@pytest.mark.parametrize("header", [ORIGINAL, LATER, ORIGINAL + "Unnamed: 9"])
@pytest.mark.parametrize("inside", [True, False])
def test_both_headers_labels_and_categories(tree, tmp_path, header, inside):
    root = tree({**places(), "meta_data.csv": table(header=header)}, tmp_path / "FakeAVCeleb_v1.2")
    manifest = fakeavceleb(root if inside else tmp_path)
    assert [row.category for row in manifest] == CATEGORIES
    assert [row.label for row in manifest] == [0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert [row.identity for row in manifest] == [clip[0] for clip in CLIPS]
    assert [row.method for row in manifest] == [clip[3] for clip in CLIPS]
    assert len(manifest) == 9 and manifest.missing() == ()
    assert manifest[1].path == str(root / A / "Asian (East)/women/id00166/00010.mp4")


@pytest.mark.parametrize(
    "spell",
    [
        lambda race: race.replace(" (", "_").replace(")", ""),  # Asian_East
        lambda race: race.replace(" ", "_"),  # Asian_(East)
        str.lower,
    ],
)
def test_folders_spelt_otherwise_than_in_the_table(tree, spell):
    root = tree({**places(spell), "meta_data.csv": table()})
    manifest = fakeavceleb(root)
    assert manifest.missing() == ()
    assert manifest[1].path == str(root / A / spell("Asian (East)") / "women/id00166/00010.mp4")


def test_doubled_and_missing_files_are_reported(tree):
    doubled = [(*clip[:3], "fsgan-wav2lip", *clip[4:]) for clip in CLIPS[-1:] * 22]
    doubled = [(*clip[:8], f"double{i}.mp4") for i, clip in enumerate(doubled)]
    again = [(*clip[:3], "wav2lip", *clip[4:]) for clip in doubled]
    root = tree({**places(), "meta_data.csv": table([*CLIPS, *doubled, *again])})
    manifest = fakeavceleb(root)
    assert len(manifest) == 9 + 44
    assert len(manifest.doubled()) == 22
    assert len(manifest.missing()) == 44
    # A doubled clip is drawn at most once.
    drawn = sample(manifest.select(category=["FVFA-GAN", "FVFA-WL"]), real=0, fake=1)
    assert Counter(row.category for row in drawn) == {"FVFA-GAN": 1, "FVFA-WL": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table([(*CLIPS[0][:3], "lipgan", *CLIPS[0][4:])]), "row 1: unknown category A with"),
        ("path,label\nx,1\n", "no column source, method, category; "),
        (
            "source,method,category,path\na,b,c,d\n",
            "the folder column, expected after 'path', is missing",
        ),
    ],
)
def test_another_table(tree, text, message):
    with pytest.raises(ManifestError, match=message):
        fakeavceleb(tree({"meta_data.csv": text}))


def test_no_table(tree):
    with pytest.raises(ManifestError, match=r"lack meta_data\.csv"):
        fakeavceleb(tree(places()))
    with pytest.raises(ManifestError, match="no such folder"):
        fakeavceleb("/nowhere/at/all")
