#!/usr/bin/env bash
# Prepare, validate, measure and pack CMU ARCTIC; the options are those of recipes/corpus.sh.
exec "$(dirname "$0")/../../recipes/corpus.sh" cmu_arctic "$@"
