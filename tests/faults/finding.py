"""Find words in whatever a command wrote: files, archives inside archives, databases."""

import base64
import gzip
import io
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

_SQLITE = b"SQLite format 3\0"
_ZIP, _GZIP = b"PK\3\4", b"\x1f\x8b"


@dataclass
class Search:
    """
    Looks for secrets, and counts where it has looked.

    :param secrets: what must not be found, by name
    """

    secrets: Mapping[str, str]
    n_files: int = 0
    n_inside: int = 0
    found: list[str] = field(default_factory=list)

    def look_into(self, path: Path, name: str) -> None:
        """
        Search a file.

        :param path: of the file
        :param name: to tell what was found by
        """
        self.n_files += 1
        self._look(name, path.read_bytes())
        if path.read_bytes()[: len(_SQLITE)] == _SQLITE:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                # long texts lie in pieces
                self._look(f"{name} (dumped)", "\n".join(database.iterdump()).encode())

    def _look(self, name: str, content: bytes) -> None:
        for secret, text in self.secrets.items():
            if any(form in content or form in name.encode() for form in forms(text)):
                self.found.append(f"{secret} in {name}")
        for inner, unpacked in _inside(content):
            self.n_inside += 1
            self._look(f"{name}: {inner}", unpacked)


def forms(text: str) -> Iterator[bytes]:
    """
    List what a text looks like in a file: as it is, and in base64, wherever it begins.

    :param text: to look for
    """
    yield text.encode()
    for n_before in range(3):
        coded = base64.b64encode(b"\0" * n_before + text.encode())
        yield coded[4 if n_before else 0 : -4]  # without what depends on its neighbours


def _inside(content: bytes) -> Iterator[tuple[str, bytes]]:
    if content.startswith(_GZIP):
        try:
            yield "unzipped", gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return  # no more than begins like one
    if content.startswith(_ZIP):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    yield name, archive.read(name)
        except zipfile.BadZipFile:
            return
