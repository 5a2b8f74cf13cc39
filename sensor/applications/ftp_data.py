"""FTP's data connections (RFC 959 3.2): a file each, of which the control connection has said the name and where it goes.

Buffers: file.data, file.name. Facts: ftpdata_command "retr" or "stor", and those of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications.application import MOST_BODY, Application, Conversation, Said
from sensor.applications.files import Passing, attach
from sensor.decode.packets import Transport


class FtpData(Conversation):
    """Says the file when it is longer than MOST_BODY, and when it is there."""

    def __init__(self, command: str = "", name: bytes = b"") -> None:
        self._command, self._name = command, name
        self._file = Passing()
        self._side = False
        self._is_whole, self._is_told = True, False

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        self._side = to_server
        self._file.add(data)
        if self._file.size > MOST_BODY and not self._is_told:
            self._is_told = True
            yield self._said(is_whole=False)

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        """What follows is no part of what is kept."""
        self._is_whole = False
        return iter(())

    def close(self) -> Iterator[Said]:
        if self._file.size and not self._is_told:
            yield self._said(self._is_whole)
        elif self._is_told and self._is_whole:
            said = self._said(is_whole=True)
            del said.buffers["file.data"]
            yield said
        self._file = Passing()

    def _said(self, is_whole: bool) -> Said:
        said = Said(self._side)
        attach(said, [(self._name, self._file, is_whole)])
        if self._command:
            said.facts["ftpdata_command"] = self._command
            said.about["ftp-data.command"] = self._command
        return said


class FtpDataOverTcp(Application):
    name: ClassVar[str] = "ftp-data"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({20})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """Only the control connection tells."""
        return False

    def open(self) -> Conversation:
        return FtpData()
