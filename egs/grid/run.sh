#!/usr/bin/env bash
# Train the lip aligner on GRID's videos, and score it on clips that it never saw.
#
#   egs/grid/run.sh --grid FOLDER [--exp FOLDER] [--stage 1] [--stop-stage 4] [--install]
#   egs/grid/run.sh --grid FOLDER --model emotts/models/lips [--exp FOLDER] [--stop-stage 5]
#
# FOLDER holds s1/*.mpg (or .mp4) and align/s1/*.align.
# Stage 1 finds and cuts out the mouths, 2 trains, 3 tunes the search on clips kept from training, 4 scores.
# Stage 5 (only with --stop-stage 5) dubs held-out clips with the aligner and the model inside the package, and
# scores what is heard, a scene with kills and resumes, and what a dub costs.
#
# --model DIR      score an aligner that is trained already; stages 2 and 3 are left out
# --speaker NAME   another folder than s1
# --mouth-box B    x,y,w,h in pixels; left out, it is found by its motion
# --config FILE    other settings than conf/lips.yaml
# --minutes N      stop training after that long (exit status 3); the same command goes on
# --install        put the aligner into emotts/models/lips
#
# $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
grid=
exp=$here/exp
speaker=s1
model=
mouth_box=
config=$here/conf/lips.yaml
minutes=inf
stage=1
stop_stage=4
install=false
. "$root/tools/parse_options.sh"

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
python=${PYTHON:-python3}
run() { [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]; }
train() { [ -z "$model" ] && run "$1"; }

if run 1; then
  box=()
  if [ -n "$mouth_box" ]; then box=(--mouth-box "$mouth_box"); fi
  "$python" "$here/local/prepare.py" --grid "$grid" --output "$exp/clips.npz" --speaker "$speaker" "${box[@]}"
fi
if train 2; then
  "$python" "$here/local/stages.py" train --clips "$exp/clips.npz" --config "$config" --output "$exp/lips" \
    --minutes "$minutes"
fi
files=()
if [ -n "$grid" ]; then files=(--grid "$grid" --speaker "$speaker"); fi
if train 3; then
  "$python" "$here/local/stages.py" tune --clips "$exp/clips.npz" --model "$exp/lips" "${files[@]}"
fi
if run 4; then
  "$python" "$here/local/stages.py" score --clips "$exp/clips.npz" --model "${model:-$exp/lips}" \
    --output "$exp/RESULTS.md" "${files[@]}"
fi
if run 5; then
  "$python" "$root/recipes/dub_sync.py" --grid "$grid" --exp "$exp/sync"
  "$python" "$root/recipes/dub_scene.py" make --grid "$grid" --scene "$exp/scene"
  "$python" "$root/recipes/dub_scene.py" check --scene "$exp/scene"
  "$python" "$root/recipes/dub_benchmark.py" --scene "$exp/scene"
  if "$python" -c "import sys; from emotts.dubbing.faces import installed; sys.exit(not installed())"; then
    "$python" "$root/recipes/dub_faces.py" --grid "$grid"
  fi
fi
if [ "$install" = true ]; then
  mkdir -p "$root/emotts/models/lips"
  cp "$exp/lips/config.yaml" "$exp/lips/lips.safetensors" "$root/emotts/models/lips/"
  echo "installed $root/emotts/models/lips"
fi
