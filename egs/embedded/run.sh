#!/usr/bin/env bash
# Make the model that is shipped inside the package, from raw corpora to its scores.
#
#   egs/embedded/run.sh --corpora-root FOLDER      with kathleen/ cmu_arctic/ ljspeech/ librispeech/ crema_d/ in it,
#   egs/embedded/run.sh --kathleen FOLDER --cmu-arctic FOLDER --ljspeech FOLDER --librispeech FOLDER --crema-d FOLDER
#
# --exp FOLDER        everything that is made (egs/embedded/exp)
# --gpu               conf/gpu.yaml instead of conf/recipe.yaml
# --parallel          stages that do not wait for each other at the same time, for a GPU
# --processes N       of each training, one for each GPU
# --queue slurm --gpus N     each stage as a Slurm job
# --stage N, --stop-stage M  some of the stages; recipes/run.py --list names them
# --force             run stages that are done as well
# --install           put the finished model into emotts/models/embedded
#
# $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
corpora_root=
kathleen=
cmu_arctic=
ljspeech=
librispeech=
crema_d=
exp=$here/exp
gpu=false
processes=1
queue=local
gpus=1
parallel=false
stage=1
stop_stage=score
force=false
install=false
. "$root/tools/parse_options.sh"

config=$here/conf/recipe.yaml
if [ "$gpu" = true ]; then config=$here/conf/gpu.yaml; fi
options=()
if [ -n "$corpora_root" ]; then options+=(--corpora-root "$corpora_root"); fi
for name in kathleen cmu_arctic ljspeech librispeech crema_d; do
  if [ -n "${!name}" ]; then options+=(--corpus "$name=${!name}"); fi
done
shared=()
if [ "$parallel" = true ]; then shared+=(--parallel); fi
if [ "$force" = true ]; then options+=(--force); fi

"$root/recipes/run.sh" --config "$config" --exp "$exp" --stage "$stage" --stop-stage "$stop_stage" \
  --processes "$processes" --queue "$queue" --gpus "$gpus" "${shared[@]}" -- "${options[@]}"

if [ "$install" = true ]; then
  target=$root/emotts/models/embedded
  rm -rf "$target.new"
  mkdir -p "$root/emotts/models"
  cp -r "$exp/model" "$target.new"
  rm -rf "$target"
  mv "$target.new" "$target"
  echo "installed $target"
fi
