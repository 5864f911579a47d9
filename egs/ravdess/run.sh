#!/usr/bin/env bash
# Prepare, validate, measure and pack RAVDESS; the options are those of recipes/corpus.sh.
exec "$(dirname "$0")/../../recipes/corpus.sh" ravdess "$@"
