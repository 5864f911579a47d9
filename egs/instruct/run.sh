#!/usr/bin/env bash
# Train the mapper from instructions to emotions, and score it on instructions that it never saw.
#
#   egs/instruct/run.sh --corpora FOLDER [--exp FOLDER] [--stage 1] [--stop-stage 2] [--install]
#   egs/instruct/run.sh --corpora FOLDER --stage 3 --stop-stage 4 [--checkpoint Qwen/Qwen3-0.6B] [--device auto]
#
# FOLDER holds goemotions_original/ and xed/ as their owners publish them.
# Stage 1 trains the embedded mapper, 2 scores it; 3 fine-tunes Qwen3 by LoRA, 4 scores that.
#
# --model FOLDER      mapper that stage 2 scores (EXP/mapper); emotts/models/instruct is the one inside the package
# --config FILE       other settings of stage 1 than conf/mapper.yaml
# --qwen-config FILE  other settings of stage 3 than conf/qwen.yaml
# --install           put the trained mapper into emotts/models/instruct, and its scores beside this script
#
# $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
corpora=
exp=$here/exp
config=$here/conf/mapper.yaml
qwen_config=$here/conf/qwen.yaml
model=
checkpoint=
device=auto
stage=1
stop_stage=2
install=false
. "$root/tools/parse_options.sh"

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
stages=("${PYTHON:-python3}" "$here/local/stages.py")
common=()
if [ -n "$corpora" ]; then common+=(--corpora "$corpora"); fi
run() { [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]; }

if run 1; then
  "${stages[@]}" train --config "$config" --output "$exp/mapper" "${common[@]}"
fi
if run 2; then
  "${stages[@]}" score --model "${model:-$exp/mapper}" --sets test blind plain --output "$exp/RESULTS.md" "${common[@]}"
fi
if run 3; then
  chosen=()
  if [ -n "$checkpoint" ]; then chosen+=(--checkpoint "$checkpoint"); fi
  "${stages[@]}" qwen --config "$qwen_config" --output "$exp/qwen" --device "$device" \
    "${chosen[@]}" "${common[@]}"
fi
if run 4; then
  "${stages[@]}" score --model "$exp/qwen" --sets test blind plain --output "$exp/RESULTS-qwen.md" "${common[@]}"
fi
if [ "$install" = true ]; then
  mkdir -p "$root/emotts/models/instruct"
  cp "$exp/mapper/config.yaml" "$exp/mapper/mapper.safetensors" "$root/emotts/models/instruct/"
  cp "$exp/RESULTS.md" "$here/RESULTS.md"
  echo "installed $root/emotts/models/instruct"
fi
