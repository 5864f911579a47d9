#!/usr/bin/env bash
# Run a command here or on Slurm, with its output in a log file:
#   tools/launch.sh --queue local|slurm --gpus 1 --log exp/log/x.log command …
exec "${PYTHON:-python3}" "$(dirname "$0")/launch.py" "$@"
