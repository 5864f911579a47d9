#!/usr/bin/env bash
# Train the independent judge of emotion on RAVDESS, and measure it.
#
#   egs/judge/run.sh --corpus FOLDER [--crema-d FOLDER] [--exp FOLDER] [--jobs 2]
#
# --corpus FOLDER    RAVDESS as its owners publish it
# --crema-d FOLDER   CREMA-D as its owners publish it: natural recordings that the judge is tried on
# --exp FOLDER       where the judge, its features and RESULTS.md go (egs/judge/exp)
#
# $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
corpus=
crema_d=
exp=$here/exp
jobs=2
. "$root/tools/parse_options.sh"

if [ -z "$corpus" ]; then
  echo "error: give the folder of RAVDESS with --corpus; see --help" >&2
  exit 2
fi
options=(--ravdess "$corpus" --output "$exp" --jobs "$jobs")
if [ -n "$crema_d" ]; then options+=(--crema-d "$crema_d"); fi
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "${PYTHON:-python3}" -m emotts.evaluate.judge.training "${options[@]}"
