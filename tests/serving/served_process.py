"""A server in a process of its own, for the tests of its start and its end: FOLDER ROOT PORT."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Registry, build_parts

from ecosight.logs import configure_logging
from serving import run_server


class SlowTask:
    """Lives beside the server and says when it began and ended."""

    def start(self) -> None:
        print(json.dumps({"task": "started"}), flush=True)

    def stop(self) -> None:
        print(json.dumps({"task": "stopped"}), flush=True)


def main() -> None:
    configure_logging(json_lines=True)
    folder, root, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    registry = Registry({"1": folder})
    registry.promote("1")
    with ExitStack() as stack:
        parts = build_parts(stack, root, registry, {"serving": {"port": port}, "background": (SlowTask(),)})
        threading.Thread(target=_tell_modules, daemon=True).start()
        run_server(parts, announce=lambda line: print(json.dumps({"announced": line}), flush=True))
    print(json.dumps({"ended": "in order"}), flush=True)


def _tell_modules() -> None:
    """What heavy modules the process holds once it has been answering for a while."""
    time.sleep(1.5)
    heavy = [name for name in ("tensorflow", "keras", "mlflow", "matplotlib", "torch") if name in sys.modules]
    print(json.dumps({"heavy": heavy}), flush=True)


if __name__ == "__main__":
    main()
