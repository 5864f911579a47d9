#!/usr/bin/env bash
# Run the stages of a recipe, its trainings in several processes or on Slurm.
#
#   recipes/run.sh --config FILE --exp FOLDER [--stage 1] [--stop-stage 16]
#                  [--parallel]              stages that do not wait for each other at the same time
#                  [--processes N]           trainings in N processes (torchrun), one for each GPU
#                  [--queue local|slurm] [--gpus N]   each stage as a job; GPUs for the trainings only
#                  [-- further options of recipes/run.py, such as --corpus NAME=FOLDER]
#
# $PYTHON is the interpreter (python3 if not set).
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
config=
exp=
stage=1
stop_stage=
processes=1
queue=local
gpus=0
parallel=false
. "$root/tools/parse_options.sh"

if [ -z "$config" ] || [ -z "$exp" ]; then
  echo "error: give --config and --exp; see --help" >&2
  exit 2
fi
options=(--config "$config" --exp "$exp" "$@")
if [ "$parallel" = true ]; then
  if [ "$processes" -gt 1 ] || [ "$queue" != local ]; then
    echo "error: --parallel is for one process each, on this machine; leave out --processes and --queue" >&2
    exit 2
  fi
  options+=(--parallel)
fi
if [ "$processes" -le 1 ] && [ "$queue" = local ]; then
  exec "$python" "$root/recipes/run.py" "${options[@]}" --stage "$stage" ${stop_stage:+--stop-stage "$stop_stage"}
fi

# Several processes are for the trainings only, so each stage is started by itself.
stages=$("$python" "$root/recipes/run.py" --list)
number_of() { awk -v wanted="$1" '$1 == wanted || $2 == wanted { print $1 }' <<<"$stages"; }
first=$(number_of "$stage")
last=$(number_of "${stop_stage:-$(awk 'END { print $1 }' <<<"$stages")}")
if [ -z "$first" ] || [ -z "$last" ]; then
  echo "error: no stage '$stage' or no stage '$stop_stage'; there are:" $stages >&2
  exit 2
fi
while read -r number name kind; do
  if [ "$number" -lt "$first" ] || [ "$number" -gt "$last" ]; then continue; fi
  command=("$python" "$root/recipes/run.py")
  launch=()
  if [ "${kind:-}" = training ] && [ "$processes" -gt 1 ]; then
    command=("$python" -m torch.distributed.run --standalone --nproc-per-node "$processes" "$root/recipes/run.py")
  fi
  if [ "$queue" = slurm ]; then
    launch=("$python" "$root/tools/launch.py" --queue slurm --log "$exp/log/$number-$name.log" --name "$name")
    if [ "${kind:-}" = training ]; then launch+=(--gpus "$gpus"); fi
    launch+=(--)
  fi
  status=3
  while [ $status -eq 3 ]; do
    status=0
    "${launch[@]}" "${command[@]}" "${options[@]}" --stage "$number" --stop-stage "$number" </dev/null || status=$?
    # A training that reached the limit of one job goes on in the next one; here, somebody stopped it.
    if [ "$queue" = local ]; then break; fi
  done
  if [ $status -ne 0 ]; then exit $status; fi
done <<<"$stages"
