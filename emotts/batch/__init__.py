"""Many lines of a file into many audio files: checked first, in shards, resumable, on one machine or many."""
