"""Helpers for benchmarks of long files: make a long file, and measure peak memory."""

from __future__ import annotations

from pathlib import Path

import av


def repeat(source: Path, path: Path, times: int, *, seconds: float) -> None:
    """Write the packets of ``source``, which lasts ``seconds``, several ``times`` in a row."""
    with av.open(str(path), "w") as out:
        streams, last = {}, {}
        for n in range(times):
            with av.open(str(source)) as container:
                for stream in container.streams:
                    if stream.index not in streams:
                        streams[stream.index] = out.add_stream_from_template(stream)
                for packet in container.demux():
                    if packet.dts is None:
                        continue
                    shift = round(n * seconds / packet.time_base)
                    packet.pts += shift
                    packet.dts += shift
                    if packet.dts <= last.get(packet.stream.index, packet.dts - 1):
                        continue  # the sound is a little longer than the picture
                    last[packet.stream.index] = packet.dts
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)


def peak_memory() -> float:
    """Return the peak memory of this process in MiB; ``ru_maxrss`` starts at the parent's peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10
