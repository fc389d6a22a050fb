"""The ledger: a file of JSON lines, one for each paid task. Its writer and its reader.

Several processes may append to one file: each line is written by one call, at the
current end of the file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_onecaptcha._logging import counted, get_logger
from scrapy_onecaptcha.report.record import Parser, shown_opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from scrapy_onecaptcha.report.record import Record

__all__ = ["Fault", "Ledger", "Line", "read"]

logger = get_logger(__name__)

#: Bytes of the longest line that is read. A longer one is no line of a ledger.
MAX_LINE = 1 << 20

_BINARY = getattr(os, "O_BINARY", 0)  # on Windows, where a line would end otherwise
_OPENED = b'"opened": '


@dataclass(frozen=True, slots=True)
class Line:
    """A line in the file.

    Attributes:
        offset: where its number of opened pages begins.
        opened: that number, as it is written there.
    """

    offset: int
    opened: str


class Ledger:
    """Appends to a ledger.

    A fault of the disk is no reason to lose pages: it is logged once, and how many
    lines are missing at the end.

    Args:
        path: the file; it is made where it does not exist, its folder is not.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._file = os.open(
            path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o666
        )
        # To overwrite a number, because writes to the other one go to its end.
        self._patches = self._open_patches()
        self._torn = self._ends_torn()
        self._lost = 0

    def append(self, record: Record) -> Line | None:
        """Append the line of *record*; return where it is, if it can be changed."""
        line = record.line()
        written = b"\n" + line if self._torn else line
        try:
            count = os.write(self._file, written)
        except OSError as error:
            self._lose(f"{error.strerror}")
            return None
        self._torn = count < len(written)
        if self._torn:
            self._lose("the disk is full")
            return None
        if self._patches is None:
            return None
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        offset = end - len(line) + line.index(_OPENED) + len(_OPENED)
        return Line(offset, shown_opened(record.opened))

    def update(self, entry: Line, opened: int) -> Line:
        """Write how many pages were opened by now into a line that is there already.

        A task thus has one line, which is there as soon as its verdict is known and
        gives, in the end, the number of pages that its clearance opened. A line that
        is not where it was (the file was truncated) is left alone.
        """
        shown = shown_opened(opened)
        if self._patches is None or shown == entry.opened:
            return entry
        try:
            os.lseek(self._patches, entry.offset, os.SEEK_SET)
            if os.read(self._patches, len(shown)) != entry.opened.encode():
                return entry
            os.lseek(self._patches, entry.offset, os.SEEK_SET)
            os.write(self._patches, shown.encode())
        except OSError as error:
            logger.debug("%s: a number stays as it is: %s", self._path, error)
            return entry
        return Line(entry.offset, shown)

    def close(self) -> None:
        """Close the file, and tell how many lines it lacks."""
        if self._lost:
            lost = counted(self._lost, "task")
            logger.error("The ledger %s lacks %s.", self._path, lost)
        os.close(self._file)
        if self._patches is not None:
            os.close(self._patches)

    def _open_patches(self) -> int | None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            return None
        try:
            return os.open(self._path, os.O_RDWR | _BINARY)
        except OSError:  # it may be appended to, but not read
            return None

    def _ends_torn(self) -> bool:
        """Tell whether the file ends within a line, as a full disk leaves it."""
        if self._patches is None or not os.fstat(self._patches).st_size:
            return False
        os.lseek(self._patches, -1, os.SEEK_END)
        return os.read(self._patches, 1) != b"\n"

    def _lose(self, why: str) -> None:
        if not self._lost:
            logger.error(
                "The ledger %s cannot be written: %s. The crawl goes on without it; "
                "further lines are tried.",
                self._path,
                why,
            )
        self._lost += 1


# Reading


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is no record.

    Attributes:
        path: of the file.
        number: of the line, from 1 on.
        why: what is wrong with it.
    """

    path: str
    number: int
    why: str


def read(
    paths: Iterable[str | Path], skip: Callable[[Fault], None]
) -> Iterator[Record]:
    """Yield the records of some ledgers, in the order of their lines.

    Memory is bounded whatever the files hold. *skip* is called with each
    line that is no record, for example an incomplete last one.

    Raises:
        OSError: a file cannot be read.
    """
    parser = Parser()
    for path in paths:
        with open(path, "rb") as file:  # noqa: PTH123 - takes any path
            for number, line in enumerate(_lines(file), 1):
                if not line.strip():
                    continue
                try:
                    yield parser.parse(line)
                except ValueError as error:
                    skip(Fault(str(path), number, str(error)))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of *file*, of a long one the first `MAX_LINE` bytes."""
    while line := file.readline(MAX_LINE):
        rest = line
        while len(rest) == MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE)
        yield line
