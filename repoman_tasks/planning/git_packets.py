"""Filters for what git in a container sends: packets checked, text made harmless. Pure.

A stream consists of pkt-lines (gitprotocol-common(5)) and may be hostile. What a filter returns is
valid, has only the capabilities listed here, and contains no control character except in packs,
which pass unchanged: git on this host checks these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from repoman_tasks.errors import Refused, quoted

__all__ = ["MOST_TEXT", "PacketFilter", "ReceivePackFilter", "UploadPackFilter", "harmless"]

MOST_TEXT = 256 << 20
"""Limit of all bytes that are not of a pack: git keeps them in memory."""

_LONGEST = 65520
"""Length of the longest packet with its header (LARGE_PACKET_MAX in git's pkt-line.h)."""
_HEADER = 4
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_FLUSH, _DELIMITER = b"0000", b"0001"
_PACK, _PROGRESS, _ERROR = 1, 2, 3
"""Bands of a sideband packet, in its first byte."""

_CAPABILITIES = {
    b"agent": (),
    b"ls-refs": (b"unborn",),
    b"fetch": (b"shallow", b"wait-for-done", b"filter", b"ref-in-want"),
    b"server-option": (),
    b"object-format": (),
}
"""Capabilities that may be offered for a fetch, with their features. `packfile-uris`,
`bundle-uri` and `sideband-all` are left out: with the first two git reads from elsewhere, with the
last one any packet may hold text."""
_RECEIVE_CAPABILITIES = (
    *(b"report-status", b"delete-refs", b"side-band-64k", b"quiet", b"atomic", b"ofs-delta"),
    *(b"push-options", b"object-format", b"agent"),
)
"""Capabilities that may be offered for a push. With `report-status-v2` the container could rename
the refs that git records as pushed."""
_CHECKED_OUT = re.compile(rb"ng refs/heads/[^\n]* branch is currently checked out\n")


def harmless(data: bytes, kept: str = "\n\r\t") -> bytes:
    """Return `data` with `?` for each byte of a character that is not printable or in `kept`.

    So the length stays. What is not UTF-8 is not printable.
    """
    text = data.decode(errors="surrogateescape")
    if not text.isprintable():
        text = "".join(c if c in kept or c.isprintable() else "?" * _size(c) for c in text)
    return text.encode()


def _size(character: str) -> int:
    return len(character.encode(errors="surrogateescape"))


class PacketFilter:
    """Checks a stream of packets."""

    def __init__(self, name: str) -> None:
        """`name` is the project's, for messages."""
        self._name = name
        self._rest = b""
        self._text = 0

    def feed(self, data: bytes) -> bytes:
        """Return what may be passed on, now that `data` has come too.

        Raise Refused if the stream is not one that git sends.
        """
        view = memoryview(self._rest + data)
        begin, passed = 0, []
        while begin + _HEADER <= len(view):
            length = self._length(bytes(view[begin : begin + _HEADER]))
            end = begin + max(length, _HEADER)
            if end > len(view):
                break
            packet = view[begin:end]
            passed.append(self._packet(packet) if length else self._flush())
            begin = end
        self._rest = bytes(view[begin:])
        return b"".join(passed)

    def _length(self, header: bytes) -> int:
        """Return the length in the header of a packet, 0 for a flush and 1 for a delimiter."""
        length = int(header, 16) if _LENGTH.fullmatch(header) else -1
        if length in (0, 1) or _HEADER < length <= _LONGEST:
            return length
        raise self._refused(f"an invalid length, {header!r}")

    def _packet(self, packet: memoryview) -> bytes | memoryview:
        """Return what is passed on for a packet; one of four bytes is a delimiter."""
        raise NotImplementedError

    def _flush(self) -> bytes:
        """Return what is passed on for a flush."""
        raise NotImplementedError

    def _line(self, packet: memoryview) -> bytes:
        """Return the text of a packet, made harmless except for one line break at its end."""
        self._count(packet)
        payload = bytes(packet[_HEADER:])
        line = payload.removesuffix(b"\n")
        return harmless(line, "") + payload[len(line) :]

    def _band(self, packet: memoryview) -> int:
        """Return the band of a sideband packet."""
        if len(packet) > _HEADER and packet[_HEADER] in (_PACK, _PROGRESS, _ERROR):
            return packet[_HEADER]
        raise self._refused("a packet without a band")

    def _sideband_text(self, packet: memoryview) -> bytes:
        """Return a sideband packet with its text made harmless."""
        self._count(packet)
        return bytes(packet[: _HEADER + 1]) + harmless(bytes(packet[_HEADER + 1 :]))

    def _count(self, packet: memoryview) -> None:
        self._text += len(packet)
        if self._text > MOST_TEXT:
            raise self._refused(f"more than {MOST_TEXT} bytes of text")

    def _refused(self, what: str) -> Refused:
        cure = f"`repoman exec {quoted(self._name)} -- git --version` shows what answers there"
        return Refused(f"git in {self._name} sent {what}", cure)


class UploadPackFilter(PacketFilter):
    """Checks what `git upload-pack` sends; only version 2 of the protocol is accepted."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._take = self._version

    def _packet(self, packet: memoryview) -> bytes | memoryview:
        return self._take(packet)

    def _flush(self) -> bytes:
        if self._take == self._version:
            raise self._old()
        self._take = self._answer
        return _FLUSH

    def _version(self, packet: memoryview) -> bytes | memoryview:
        line = self._line(packet)
        if line.startswith(b"ERR "):
            return _packet(line)
        if line not in (b"version 2\n", b"version 2"):
            raise self._old()
        self._take = self._capability
        return packet

    def _capability(self, packet: memoryview) -> bytes:
        line = self._line(packet)
        name, equals, value = line.rstrip(b"\n").partition(b"=")
        if name not in _CAPABILITIES:
            return _packet(line) if line.startswith(b"ERR ") else b""
        if known := _CAPABILITIES[name]:
            value = b" ".join(feature for feature in value.split(b" ") if feature in known)
        return _packet(name + equals + value + b"\n")

    def _answer(self, packet: memoryview) -> bytes:
        if len(packet) == _HEADER:
            return _DELIMITER
        line = self._line(packet)
        if line in (b"packfile\n", b"packfile"):
            self._take = self._of_pack
        return _packet(line)

    def _of_pack(self, packet: memoryview) -> bytes | memoryview:
        return packet if self._band(packet) == _PACK else self._sideband_text(packet)

    def _old(self) -> Refused:
        return Refused(
            f"git in {self._name} does not speak version 2 of git's protocol",
            "update it there, 2.18 is the oldest that can",
        )


class ReceivePackFilter(PacketFilter):
    """Checks what `git receive-pack` sends."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._take = self._first_ref
        self._reported = b""

    @property
    def checked_out(self) -> bool:
        """Return True if a push was refused because its branch is checked out."""
        return bool(_CHECKED_OUT.search(self._reported))

    def _packet(self, packet: memoryview) -> bytes | memoryview:
        if len(packet) == _HEADER:
            raise self._refused("a delimiter")
        return self._take(packet)

    def _flush(self) -> bytes:
        if self._take == self._first_ref:
            raise self._old()
        self._take = self._report
        return _FLUSH

    def _first_ref(self, packet: memoryview) -> bytes | memoryview:
        ref, nul, offered = bytes(packet[_HEADER:]).rstrip(b"\n").partition(b"\0")
        if not nul and (ref == b"version 1" or ref.startswith(b"ERR ")):
            return self._ref(packet)
        capabilities = list(_known(offered.split(b" ")))
        if b"side-band-64k" not in capabilities:
            raise self._old()
        self._take = self._ref
        return _packet(harmless(ref, "") + nul + harmless(b" ".join(capabilities), "") + b"\n")

    def _ref(self, packet: memoryview) -> bytes:
        return _packet(self._line(packet))

    def _report(self, packet: memoryview) -> bytes:
        """Pass on a sideband packet. Band 1 is text, too: it holds packets with the report."""
        text = self._sideband_text(packet)
        if self._band(packet) == _PACK and len(self._reported) < _LONGEST:
            self._reported += text[_HEADER + 1 :]
        return text

    def _old(self) -> Refused:
        return Refused(f"git in {self._name} offers no side-band-64k", "update it there")


def _known(capabilities: Iterable[bytes]) -> Iterable[bytes]:
    return (c for c in capabilities if c.partition(b"=")[0] in _RECEIVE_CAPABILITIES)


def _packet(payload: bytes) -> bytes:
    return b"%04x" % (len(payload) + _HEADER) + payload
