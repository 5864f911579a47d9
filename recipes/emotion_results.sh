#!/usr/bin/env bash
# Measure all that is claimed of the emotions of a model, and write the tables with their commands to one page.
#
#   recipes/emotion_results.sh --judge FILE --decode FOLDER --crema-d FOLDER --output FOLDER [--jobs 2]
#
# --judge FILE       judge.npz of egs/judge/run.sh
# --decode FOLDER    holds free-VOICE.jsonl, the lists of held-out sentences that the stage decode writes
# --crema-d FOLDER   CREMA-D as its owners publish it; left out, emotion from recordings is not measured
# --output FOLDER    where audio, tables, pictures and RESULTS.md go
# --voices "A B"     whose lists are spoken (kathleen bdl)
# --model MODEL      directory, hub id, or embedded
# --count 30         sentences of each voice for the dose-response
# --compared 10      sentences of each voice for the comparison of guidance
# --alphas "2 8"     weights that are compared
# --jobs 2           processes of the measuring, and threads of the benchmark
#
# What was done is kept: started again, it goes on. On two cores it takes about half an hour.
# $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
judge=
decode=
crema_d=
output=
voices="kathleen bdl"
model=embedded
count=30
compared=10
alphas="2 8"
jobs=2
. "$root/tools/parse_options.sh"

if [ -z "$judge" ] || [ -z "$decode" ] || [ -z "$output" ]; then
  echo "error: give --judge, --decode and --output; see --help" >&2
  exit 2
fi
lists=()
for voice in $voices; do
  if [ ! -f "$decode/free-$voice.jsonl" ]; then
    echo "error: no list $decode/free-$voice.jsonl; the stage decode of a recipe writes it" >&2
    exit 2
  fi
  lists+=(--sentences "$decode/free-$voice.jsonl")
done
weights=()
for alpha in $alphas; do weights+=(--alpha "$alpha"); done
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$output"
pages=()

# One table: its title, its name, and its command; a table that fails is said to, and the others go on.
table() {
  local title=$1 name=$2
  shift 2
  local page=$output/$name.section
  echo "$title" >&2
  if "${PYTHON:-python3}" "$here/$1" "${@:2}" > "$page.table"; then
    { printf '## %s\n\n`python recipes/%s`\n\n' "$title" "$*"; cat "$page.table"; } > "$page"
    pages+=("$page")
  else
    failed=1
  fi
  rm -f "$page.table"
}

failed=0
common=(--judge "$judge" "${lists[@]}" --model "$model" --jobs "$jobs")
table "What guidance costs in time" cost benchmark.py --guidance --model "$model" --threads "$jobs"
table "Dose-response" doses dose_response.py "${common[@]}" --output "$output/doses" --count "$count" --quality-every 3
if [ -n "$crema_d" ]; then
  table "Emotion from recordings" transfer emotion_transfer.py "${common[@]}" --crema-d "$crema_d" \
    --output "$output/transfer"
fi
table "Derived emotions" derived derived_emotions.py "${common[@]}" --output "$output/derived"
table "Guidance: what it wins and costs" guidance guidance_comparison.py "${common[@]}" "${weights[@]}" \
  --output "$output/guidance" --count "$compared" --quality-every 2
if [ ${#pages[@]} -eq 0 ]; then exit 1; fi
cat "${pages[@]}" > "$output/RESULTS.md.part"
mv "$output/RESULTS.md.part" "$output/RESULTS.md"
rm -f "${pages[@]}"
echo "wrote $output/RESULTS.md" >&2
exit "$failed"
