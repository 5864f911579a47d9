#!/usr/bin/env bash
# Prepare, validate, measure and pack CREMA-D; the options are those of recipes/corpus.sh.
exec "$(dirname "$0")/../../recipes/corpus.sh" crema_d "$@"
