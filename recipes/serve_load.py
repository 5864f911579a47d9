#!/usr/bin/env python3
"""Puts a server under load and prints what it did as Markdown: python recipes/serve_load.py --requests 16.

Without --url a server with the given model is started for the measurement, on this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import httpx
import typer

SENTENCES = (
    "I never thought that I would see you again.",
    "We have to leave now, before they come back.",
    "She waited at the station for an hour, and nobody came.",
    "Where were you when the lights went out?",
)


class RefusedError(Exception):
    """What is wrong with all requests."""


@dataclass(frozen=True)
class Answer:
    """What became of one request.

    Attributes:
        status: of HTTP; 0 where none came.
        seconds: until the last byte.
        speech: seconds of speech.
        refused: answers 429 before it.
        exact: whether the speech is the one that was asked for: its seed and its length.
    """

    status: int
    seconds: float
    speech: float
    refused: int
    exact: bool


async def _ask(client: httpx.AsyncClient, number: int, duration: float) -> Answer:
    body = {
        "model": "emotts",
        "input": SENTENCES[number % len(SENTENCES)],
        "response_format": "pcm",
        "duration": duration,
        "seed": number,
    }
    started, refused = time.perf_counter(), 0
    while True:
        try:
            response = await client.post("/v1/audio/speech", json=body)
        except httpx.HTTPError:
            return Answer(0, time.perf_counter() - started, 0.0, refused, False)
        if response.status_code != 429:
            break
        refused += 1
        await asyncio.sleep(float(response.headers["retry-after"]))
    if response.status_code in (400, 401, 404):
        # A request that is wrong is no load, and its answer would count as lost.
        raise RefusedError(f"the server refuses the requests: {' '.join(response.text.split())[:300]}")
    samples = len(response.content) // 2 if response.status_code == 200 else 0
    own = response.headers.get("x-emotts-seed") == str(number) and samples == round(duration * 24_000)
    return Answer(response.status_code, time.perf_counter() - started, samples / 24_000, refused, own)


async def _load(url: str, key: str | None, in_flight: int, requests: int, duration: float) -> str:
    """One row of the table: `in_flight` clients, each asking again as soon as it is answered."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=in_flight)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600, limits=limits) as client:
        numbers = iter(range(requests))
        answers: list[Answer] = []

        async def one() -> None:
            for number in numbers:
                answers.append(await _ask(client, number, duration))

        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(in_flight)))
        elapsed = time.perf_counter() - started
    seconds = sorted(answer.seconds for answer in answers)
    middle, late = statistics.median(seconds), seconds[max(0, -(-len(seconds) * 95 // 100) - 1)]
    lost = requests - sum(answer.exact for answer in answers)
    speech = sum(answer.speech for answer in answers)
    refused = sum(answer.refused for answer in answers)
    return (
        f"| {in_flight} | {requests} | {requests / elapsed:.2f} | {speech / elapsed:.2f} "
        f"| {middle:.2f} | {late:.2f} | {refused} | {lost} |"
    )


@contextlib.contextmanager
def _server(url: str | None, model: str, port: int, threads: int) -> Iterator[str]:
    if url is not None:
        yield url
        return
    command = [sys.executable, "-m", "emotts.cli.main", "serve", "--port", str(port), "--model", model]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "EMOTTS_LOG": "error"}
    process = subprocess.Popen(command, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit("serve_load: the server did not start")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def main(
    url: Annotated[
        str | None, typer.Option(help="Of a server that runs; one is started if left out.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="EMOTTS_API_KEY", help="Its key.")] = None,
    model: Annotated[str, typer.Option(help="Model of the server that is started.")] = "embedded",
    port: Annotated[int, typer.Option(help="Its port.")] = 8765,
    threads: Annotated[int, typer.Option(min=1, help="Its CPU threads.")] = 2,
    requests: Annotated[int, typer.Option(min=1, help="For each row.")] = 32,
    duration: Annotated[float, typer.Option(help="Seconds of speech in each request.")] = 2.5,
    in_flight: Annotated[str, typer.Option(help="Requests at once, row by row.")] = "1,4,16",
) -> None:
    """Measures throughput and latency of a server under load."""
    rows = [int(number) for number in in_flight.split(",")]
    try:
        with _server(url, model, port, threads) as address:
            asyncio.run(
                _load(address, api_key, 1, len(SENTENCES), duration)
            )  # What is loaded late is loaded.
            typer.echo(
                "| in flight | requests | requests/s | speech s/s | p50 s | p95 s | answers 429 | lost |"
            )
            typer.echo("|---|---|---|---|---|---|---|---|")
            for number in rows:
                typer.echo(asyncio.run(_load(address, api_key, number, requests, duration)))
    except RefusedError as error:
        print(f"serve_load: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(main)
