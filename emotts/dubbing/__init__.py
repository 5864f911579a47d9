"""From a video and a script to a dubbed video: scripts, casts, fitting lines into time, mixing, muxing."""
