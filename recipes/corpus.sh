#!/usr/bin/env bash
# Prepare, validate, measure and pack one corpus; egs/CORPUS/run.sh calls it with its name.
#
#   egs/CORPUS/run.sh --corpus FOLDER [--exp FOLDER] [--jobs 2] [--stage 1] [--stop-stage 3] [--force]
#
# FOLDER is the corpus as its owners publish it. $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
name=$1
shift
corpus=
exp=$root/egs/$name/exp
jobs=2
stage=1
stop_stage=3
force=false
. "$root/tools/parse_options.sh"

options=(--config "$root/egs/$name/conf/recipe.yaml" --exp "$exp" --jobs "$jobs")
options+=(--stage "$stage" --stop-stage "$stop_stage")
if [ -n "$corpus" ]; then options+=(--corpus "$name=$corpus"); fi
if [ "$force" = true ]; then options+=(--force); fi
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "${PYTHON:-python3}" "$root/recipes/run.py" "${options[@]}"
