#!/usr/bin/env bash
# Prepare, validate, measure and pack CREMA-D.
#
#   egs/crema_d/run.sh --corpus FOLDER [--exp FOLDER] [--jobs 2] [--stage 1] [--stop-stage 3] [--force]
#
# FOLDER is the corpus as its owners publish it. $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
corpus=
exp=$here/exp
jobs=2
stage=1
stop_stage=3
force=false
. "$root/tools/parse_options.sh"

options=(--config "$here/conf/recipe.yaml" --exp "$exp" --stage "$stage" --stop-stage "$stop_stage" --jobs "$jobs")
if [ -n "$corpus" ]; then options+=(--corpus "crema_d=$corpus"); fi
if [ "$force" = true ]; then options+=(--force); fi
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "${PYTHON:-python3}" "$root/recipes/run.py" "${options[@]}"
