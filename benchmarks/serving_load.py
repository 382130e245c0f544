"""The load client of the serving benchmark: keep-alive connections on raw sockets, each asking without pause.

It shares the machine with the server, so it does as little as it can. Prints one JSON object::

    python benchmarks/serving_load.py HOST PORT CONCURRENCY SECONDS CLIP...
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from pathlib import Path

BOUNDARY = b"ecosight-benchmark"


def main() -> None:
    host, port, concurrency, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    requests = [_request(Path(name), host) for name in sys.argv[5:]]
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    print(json.dumps(run(_load(host, port, concurrency, seconds, requests))))


async def _load(host: str, port: int, concurrency: int, seconds: float, requests: list[bytes]) -> dict[str, object]:
    took: list[float] = []
    statuses: dict[str, int] = {}
    turns = count()
    # Long enough that slow answers have come in at their own pace before counting begins.
    warm_until = time.perf_counter() + seconds / 3
    until = warm_until + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=2**20)
        while (began := time.perf_counter()) < until:
            writer.write(requests[next(turns) % len(requests)])
            status = await _answer(reader)
            ended = time.perf_counter()
            if warm_until <= ended <= until:
                statuses[status] = statuses.get(status, 0) + 1
                if status == "200":
                    took.append(ended - began)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(concurrency)))
    took.sort()
    return {
        "rps": round(len(took) / seconds, 2),
        "p50_ms": round(1000 * took[len(took) // 2], 1) if took else None,
        "p99_ms": round(1000 * took[int(0.99 * (len(took) - 1))], 1) if took else None,
        "answers": len(took),
        "statuses": statuses,
        "client_cpu_s": round(time.process_time(), 2),
    }


async def _answer(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return head[9:12].decode()


def _request(path: Path, host: str) -> bytes:
    body = (
        b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="'
        + path.name.encode() + b'"\r\nContent-Type: application/octet-stream\r\n\r\n'
        + path.read_bytes() + b"\r\n--" + BOUNDARY + b"--\r\n"
    )  # fmt: skip
    head = (
        f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    main()
