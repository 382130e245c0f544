"""The spool: what was appended is handed over, whoever dies in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ecosight.errors import Unavailable
from ecosight.state.spool import Spool

FILLER = """
import resource, sys
from pathlib import Path
from ecosight.errors import Unavailable
from ecosight.state.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (1050, 1050))
spool, acknowledged = Spool(Path(sys.argv[1]), "test"), 0
for _ in range(20):
    try:
        spool.append(b"x" * 99 + b"\\n")
        acknowledged += 1
    except Unavailable:
        continue
print(acknowledged)
"""


class Received:
    """A receiver that can be told to refuse."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.refuses = False

    def __call__(self, lines: list[bytes]) -> None:
        if self.refuses:
            raise Unavailable("not now")
        self.lines += lines


@pytest.fixture
def received() -> Received:
    return Received()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("test-*.jsonl"))


def test_lines_are_handed_over_once_and_in_order(tmp_path: Path, received: Received) -> None:
    spool = Spool(tmp_path, "test")
    wanted = [f"{number}\n".encode() for number in range(1200)]
    for line in wanted:
        spool.append(line)
    spool.drain(received)
    spool.drain(received)
    assert received.lines == wanted
    assert not spool.has_records()
    spool.close()
    assert files(tmp_path) == []


def test_what_the_receiver_refuses_stays_and_comes_first_the_next_time(tmp_path: Path, received: Received) -> None:
    spool = Spool(tmp_path, "test")
    spool.append(b"1\n")
    received.refuses = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            spool.drain(received)
    spool.append(b"2\n")
    assert len(files(tmp_path)) == 2  # no pile of files grows while the database is away
    received.refuses = False
    spool.drain(received)
    assert received.lines == [b"1\n", b"2\n"]
    spool.close()


def test_lines_of_a_closed_spool_are_handed_over_by_the_next(tmp_path: Path, received: Received) -> None:
    first = Spool(tmp_path, "test")
    first.append(b"1\n")
    first.close()
    second = Spool(tmp_path, "test")
    second.drain(received)
    assert received.lines == [b"1\n"]
    second.close()
    assert files(tmp_path) == []


def test_the_file_of_a_living_owner_is_left_alone(tmp_path: Path, received: Received) -> None:
    living, other = Spool(tmp_path, "test"), Spool(tmp_path, "test")
    living.append(b"1\n")
    other.drain(received)
    assert received.lines == []
    other.peek_others(received)
    assert received.lines == [b"1\n"]
    living.drain(received)  # still has it
    assert received.lines == [b"1\n", b"1\n"]
    living.close()
    other.close()


def test_a_last_line_that_was_cut_off_is_not_handed_over(tmp_path: Path, received: Received) -> None:
    (tmp_path / "test-dead.jsonl").write_bytes(b"whole\ncut o")
    spool = Spool(tmp_path, "test")
    spool.drain(received)
    assert received.lines == [b"whole\n"]
    spool.close()


def test_of_many_finders_of_a_dead_owners_file_one_hands_it_over(tmp_path: Path, received: Received) -> None:
    (tmp_path / "test-dead.jsonl").write_bytes(b"".join(b"%d\n" % number for number in range(2000)))
    spools = [Spool(tmp_path, "test") for _ in range(6)]
    threads = [threading.Thread(target=spool.drain, args=(received,)) for spool in spools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(received.lines, key=int) == [b"%d\n" % number for number in range(2000)]
    for spool in spools:
        spool.close()


def test_threads_append_while_another_drains(tmp_path: Path, received: Received) -> None:
    spool = Spool(tmp_path, "test")

    def write(writer: int) -> None:
        for number in range(2000):
            spool.append(f"{writer} {number}\n".encode())

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        spool.drain(received)
    spool.drain(received)
    assert len(received.lines) == len(set(received.lines)) == 8000
    assert [line for line in received.lines if line.startswith(b"2 ")] == [b"2 %d\n" % n for n in range(2000)]
    spool.close()


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path: Path, received: Received) -> None:
    # A limit on the size of files stands for the full disk: the kernel cuts the write off in the same way.
    filler = subprocess.run([sys.executable, "-c", FILLER, tmp_path], check=True, capture_output=True)
    acknowledged = int(filler.stdout)
    spool = Spool(tmp_path, "test")
    spool.drain(received)
    assert 0 < acknowledged == len(received.lines)
    assert set(received.lines) == {b"x" * 99 + b"\n"}
    spool.close()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be kept"):
        Spool(tmp_path / "file" / "spool", "test")
