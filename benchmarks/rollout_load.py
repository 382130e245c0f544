"""The load client of the rollout benchmark: so many requests a second, whether earlier ones were answered or not.

Asks the servers in turn, each request with a key of its own, until its standard input ends. Then prints one JSON
list: for each request when it was sent and answered (seconds of the wall clock), its status, and who answered::

    python benchmarks/rollout_load.py REQUESTS_PER_S PORT,PORT CLIP...
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from pathlib import Path

BOUNDARY = b"ecosight-benchmark"
Row = tuple[float, float, str, str, str]


def main() -> None:
    rate, ports = float(sys.argv[1]), [int(port) for port in sys.argv[2].split(",")]
    clips = [(Path(name).name.encode(), Path(name).read_bytes()) for name in sys.argv[3:]]
    print(json.dumps(asyncio.run(_ask_steadily(rate, ports, clips))))


async def _ask_steadily(rate: float, ports: list[int], clips: list[tuple[bytes, bytes]]) -> list[Row]:
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    rows: list[Row] = []
    idle: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {port: [] for port in ports}
    asked: set[asyncio.Task[None]] = set()

    async def ask(number: int) -> None:
        port = ports[number % len(ports)]
        sent = time.time()
        status, version, variant = "", "", ""
        try:
            while idle[port] and idle[port][-1][0].at_eof():  # the server closes what is idle for long
                idle[port].pop()
            connection = idle[port].pop() if idle[port] else await asyncio.open_connection("127.0.0.1", port)
            connection[1].write(_request(f"client-{number}".encode(), *clips[number % len(clips)]))
            status, told = await _answer(connection[0])
            idle[port].append(connection)
            version, variant = str(told.get("model_version", "")), str(told.get("variant", ""))
        except (OSError, asyncio.IncompleteReadError) as error:
            status = repr(error)
        rows.append((sent, time.time(), status, version, variant))

    began = time.monotonic()
    for number in count():
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        if ended.done():
            break
        task = asyncio.create_task(ask(number))
        asked.add(task)
        task.add_done_callback(asked.discard)
    await asyncio.gather(*asked)
    return rows


async def _answer(reader: asyncio.StreamReader) -> tuple[str, dict[str, object]]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return head[9:12].decode(), json.loads(await reader.readexactly(length))


def _request(key: bytes, name: bytes, clip: bytes) -> bytes:
    body = (
        b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + key
        + b"\r\n--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="' + name
        + b'"\r\n\r\n' + clip + b"\r\n--" + BOUNDARY + b"--\r\n"
    )  # fmt: skip
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    main()
