#!/usr/bin/env bash
# The whole recipe of docs/talkers.md: from clips of many speakers to one bundle with a calibration.
#   scripts/talkers.sh TALKERS_FOLDER OUT
# TALKERS_FOLDER holds talkers.csv, and grid_s1 is next to it. Rerun to resume each step where it
# stopped.
set -euo pipefail
data=$1 out=$2
export OMP_NUM_THREADS=1  # single-threaded processes get more done than threads that wait
seeds="0 1 2"

avforensics manifest source=talkers "root=$data" "output=$out/raw.csv"
avforensics preprocess "input=$out/raw.csv" "output=$out/clips" crop=level_mouth size=96 crf=14 preset=veryfast longest=20

# Train a first network, estimate the delay of each recording, and train the network that ships.
web="voicecraft-dub.github.io,LipVoicer.github.io,looking-to-listen.github.io,mrjunjieli.github.io"
avforensics train experiment=talkers "data.manifest=$out/clips/manifest.csv" "output_dir=$out/first" \
    trainer.max_epochs=6 'data.weights={arabic news: 0.7, grid_s1: 0.3, voicecraft-dub.github.io: 3, LipVoicer.github.io: 3, looking-to-listen.github.io: 3, mrjunjieli.github.io: 0}'
avforensics extract "manifest=$out/clips/manifest.csv" select.split=sync "select.category=[$web]" \
    "checkpoint.bundle=$out/first/sync.safetensors" "output_dir=$out/first_features" activations=none
avforensics align "manifest=$out/clips/manifest.csv" "features=$out/first_features" "output=$out/clips/aligned.csv"
avforensics train experiment=talkers "data.manifest=$out/clips/aligned.csv" "output_dir=$out/sync" seed=1 optimizer.lr=8e-4 \
    "module.init=$out/first/sync.safetensors" \
    'data.weights={arabic news: 0.7, grid_s1: 0.2, voicecraft-dub.github.io: 4, LipVoicer.github.io: 4, looking-to-listen.github.io: 3, mrjunjieli.github.io: 3}'

# Train the anomaly models on clips that the network has not seen, with shifted sound.
avforensics extract "manifest=$out/clips/manifest.csv" 'select.split=[anomaly,val,dev,test,fake]' \
    "checkpoint.bundle=$out/sync/sync.safetensors" "output_dir=$out/features" max_delay=25
for seed in $seeds; do
    avforensics train experiment=anomaly "features=$out/features" data.shift=10 data.disjoint=false "seed=$seed" \
        trainer.max_epochs=40 "output_dir=$out/anomaly-$seed"
done

# Fit the calibrations on real clips of sources that no model was trained on.
avforensics extract "manifest=$out/clips/manifest.csv" 'select.split=[dev,test]' \
    "checkpoint.bundle=$out/sync/sync.safetensors" "output_dir=$out/held_out"
for windows in first all; do
    avforensics calibrate "features=$out/held_out" select.split=null "checkpoint.bundle=$out/anomaly-0/model.safetensors" \
        "scoring.windows=$windows" crop=level_mouth "output=$out/anomaly-0/model.calibration-$windows.safetensors"
done

# Compute the figures of docs/talkers.md.
python "$(dirname "$0")/talkers_tables.py" delays "$out/features" --split test
