#!/usr/bin/env bash
# Run every stage of the recipe in a minute or two, on a miniature corpus that espeak speaks.
#
#   egs/mini/run.sh [--real FOLDER] [--exp FOLDER]
#
# --real FOLDER   take a dozen real utterances each of FOLDER/kathleen and FOLDER/crema_d along
# --exp FOLDER    everything that is made (egs/mini/exp), removed first
#
# $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
real=
exp=$here/exp
. "$root/tools/parse_options.sh"

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
if [ -d "$exp" ]; then
  if [ ! -d "$exp/corpus" ]; then
    echo "error: $exp exists and was not made by this script; give --exp another folder" >&2
    exit 2
  fi
  rm -rf "$exp"
fi
mkdir -p "$exp"
"$python" "$here/local/make_corpus.py" "$exp/corpus"

options=(--config "$here/conf/recipe.yaml" --exp "$exp" --data "mini=$exp/corpus/data")
if [ -n "$real" ]; then options+=(--corpora-root "$real"); fi
"$python" "$root/recipes/run.py" "${options[@]}"

text="She came home late, and nobody answered the phone."
"$python" -m emotts.cli.main synthesize "$text" --model "$exp/model" --emotion happy:0.7 --duration 2.45 \
  --seed 1 -o "$exp/seconds.wav"
"$python" -m emotts.cli.main synthesize "$text" --model "$exp/model" --voice bert --tokens 70 --seed 1 \
  -o "$exp/tokens.wav"
"$python" -m emotts.cli.main evaluate --sentences "$exp/decode/scaled-1.1.jsonl" \
  --audio "$exp/decode/scaled-1.1" --metrics wer,duration --output "$exp/report.md"
"$python" "$here/local/check.py" "$exp" seconds.wav=58800 tokens.wav=67200
