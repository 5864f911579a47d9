"""Run a command here or on Slurm, with its output in a log file; the exit status is the command's.

`tools/launch.py --queue slurm --gpus 1 --log exp/log/lm.log -- python recipes/run.py …`
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run a command here or on Slurm, and keep its output.")
    parser.add_argument("--queue", choices=("local", "slurm"), default="local")
    parser.add_argument("--log", type=Path, required=True, help="file for the command's output")
    parser.add_argument("--name", help="of the job; the log's name if left out")
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--cpus", type=int, default=4, help="on Slurm")
    parser.add_argument("--memory", default="16G", help="on Slurm")
    parser.add_argument("--minutes", type=int, default=0, help="time limit on Slurm; 0 is the partition's")
    parser.add_argument("--partition", help="on Slurm")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run")
    return parser


def slurm_command(options: argparse.Namespace, command: Sequence[str]) -> list[str]:
    """The sbatch call that waits for the job and returns its exit status."""
    words = ["sbatch", "--wait", f"--job-name={options.name or options.log.stem}", f"--output={options.log}"]
    words += [f"--cpus-per-task={options.cpus}", f"--mem={options.memory}"]
    if options.gpus:
        words.append(f"--gpus={options.gpus}")
    if options.minutes:
        # The trainer checkpoints at this signal and leaves with a status that says it can be resumed.
        words += [f"--time={options.minutes}", "--signal=B:TERM@120"]
    if options.partition:
        words.append(f"--partition={options.partition}")
    return [*words, f"--wrap=exec {shlex.join(command)}"]


def run_here(log: Path, command: Sequence[str]) -> int:
    """Runs a command with its output in the log; returns its exit status."""
    with log.open("w", encoding="utf-8") as file:
        file.write(f"# {time.strftime('%Y-%m-%d %H:%M:%S')} {shlex.join(command)}\n")
        file.flush()
        started = time.monotonic()
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        file.write(f"# exit status {code} after {time.monotonic() - started:.0f} s\n")
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs; returns the command's exit status, or 2 on bad input."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("give a command after the options")
    try:
        options.log.parent.mkdir(parents=True, exist_ok=True)
        if options.queue == "slurm":
            code = subprocess.run(slurm_command(options, command), check=False).returncode
        else:
            code = run_here(options.log, command)
    except OSError as error:
        missing = "sbatch" if options.queue == "slurm" else command[0]
        sys.stderr.write(f"error: cannot run {missing}: {error.strerror}\n")
        return 2
    if code:
        sys.stderr.write(f"error: {shlex.join(command)} ended with status {code}; see {options.log}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
