"""Tracking in a process of its own, beside interpreting: columns go from one to the other through shared memory, nothing is computed twice."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor.channel import CONTEXT, Channel
from sensor.columns import Array
from sensor.streams.flows import STREAM
from sensor.tracked import Tracked

if TYPE_CHECKING:
    from sensor.pipeline import Pipeline


def beside(pipeline: Pipeline, tracked: Iterator[Tracked]) -> Iterator[Tracked]:
    """What `tracked` yields, made in a child process; this process's flow table is kept the same. What is raised there is raised here."""
    channel = Channel()
    child = CONTEXT.Process(target=_child, args=(pipeline, tracked, channel, os.dup(0)), daemon=True)
    child.start()
    channel.sender.close()
    try:
        while True:
            try:
                kind, *content = channel.receive()
            except EOFError as error:
                raise RuntimeError("the tracking process ended before its work") from error
            channel.release()
            if kind == "end":
                counts, _ = content
                pipeline.ledger, pipeline.streams.bytes, pipeline.streams.slow_segments, pipeline.flows.begun, pipeline.flows.evicted = counts
                return
            if kind == "error":
                raise content[0]
            each, touched, columns = content
            put(pipeline.flows.c, touched, columns)
            pipeline.flows.c["live"][each.over.flow] = False
            yield each
    finally:
        child.terminate()
        child.join()


def columns_of(flows: dict[str, Array], which: Array) -> dict[str, Any]:
    """All columns of these flows."""
    return {name: (column[which * 2], column[which * 2 + 1]) if name in STREAM else column[which] for name, column in flows.items()}


def put(flows: dict[str, Array], which: Array, columns: dict[str, Any]) -> None:
    """The same into another flow table."""
    for name, values in columns.items():
        if name in STREAM:
            flows[name][which * 2], flows[name][which * 2 + 1] = values
        else:
            flows[name][which] = values


def _child(pipeline: Pipeline, tracked: Iterator[Tracked], channel: Channel, stdin: int) -> None:
    """Track, and tell."""
    sys.stdin = os.fdopen(stdin)
    try:
        for each in tracked:
            over = each.over.flow
            unreached = pipeline.flows.c["unreached"].reshape(-1, 2)[over].any(axis=1)
            changed = (each.flow, each.started, over[pipeline.flows.c["slow"][over] | unreached], *(pdus.flow for _, pdus in each.found))
            touched = np.unique(np.concatenate(changed))
            each.flow = each.flow[:0]
            channel.send(("batch", each, touched, columns_of(pipeline.flows.c, touched)))
        counts = (pipeline.ledger, pipeline.streams.bytes, pipeline.streams.slow_segments, pipeline.flows.begun, pipeline.flows.evicted)
        channel.send(("end", counts, list(channel.sources.values())))  # what their ends had to report, too
    except BaseException as error:  # noqa: BLE001  # handed over whole, whatever it is
        channel.send(("error", error))
    channel.sender.close()
