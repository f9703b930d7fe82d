"""Filters for what git in a container sends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import Refused
from repoman_tasks.planning import git_packets
from repoman_tasks.planning.git_packets import (
    PacketFilter,
    ReceivePackFilter,
    UploadPackFilter,
    harmless,
)
from tests.support.git_client import packets

ESCAPES = b"\x1b[2J\x1b]0;title\x07\x7f\x08\0\xc2\x9b31m\x9b\xff"
OID = b"0" * 40
ADVERTISED = (b"version 2\n", b"agent=git/2.39.5\n", b"ls-refs=unborn\n", b"fetch=shallow\n", None)
OFFERED = b" capabilities^{}\0report-status side-band-64k agent=git/2.39.5\n"


def upload(*payloads: bytes | None) -> bytes:
    """Return what is passed on of an upload-pack after its first answer."""
    found = UploadPackFilter("isurus")
    assert found.feed(packets(*ADVERTISED)) == packets(*ADVERTISED)
    return found.feed(packets(*payloads))


def receive(*payloads: bytes | None) -> bytes:
    """Return what is passed on of a receive-pack after its first answer."""
    found = ReceivePackFilter("isurus")
    assert found.feed(packets(OID + OFFERED, None)) == packets(OID + OFFERED, None)
    return found.feed(packets(*payloads))


# --- text ---------------------------------------------------------------------------------


def test_text_without_control_characters_is_unchanged() -> None:
    text = "Zähler: 100% (3/3), 木\n\tdone.\r".encode()
    assert harmless(text) == text


def test_control_characters_become_question_marks() -> None:
    assert harmless(ESCAPES) == b"?[2J?]0;title?????" + b"?31m??"
    assert harmless("a\u202eb\u2028".encode()) == b"a???b???", "they turn a line around"


def test_half_a_character_is_no_way_to_hand_in_another() -> None:
    assert harmless(b"\xc2") + harmless(b"\x9b") == b"??"


@given(st.binary())
def test_no_text_repaints_a_terminal(data: bytes) -> None:
    found = harmless(data)
    assert len(found) == len(data)
    assert harmless(found) == found
    assert all(c.isprintable() or c in "\n\r\t" for c in found.decode())


# --- packets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [b"0002", b"0003", b"0004", b"fff1", b"ffff", b"-001", b"+00a", b" 00a", b"0x0a", b"00\n1"],
)
def test_an_invalid_length_is_refused(header: bytes) -> None:
    found = UploadPackFilter("isurus")
    found.feed(packets(*ADVERTISED))
    with pytest.raises(Refused, match="an invalid length"):
        found.feed(header + b"x" * 70000)


def test_the_longest_packet_passes() -> None:
    pack = (b"packfile\n", b"\1" + os.urandom(65515), None)
    assert upload(*pack) == packets(*pack)


@pytest.mark.parametrize("size", [1, 3, 5, 7, 64, 1000])
def test_it_does_not_matter_how_a_stream_is_cut(size: int) -> None:
    found = UploadPackFilter("isurus")
    answer = (b"packfile\n", b"\2Counting\x1b\n", b"\1PACK\x1b\0", None, OID + b" HEAD\n", None)
    stream = packets(*ADVERTISED, *answer)
    parts = [found.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
    assert b"".join(parts) == stream.replace(b"Counting\x1b", b"Counting?")


class Session:
    """A stream of packets as git on this host reads it, with the text that it may print."""

    def __init__(self, stream: bytes) -> None:
        self.text: list[bytes] = []
        in_pack = False
        while stream:
            length = int(stream[:4], 16)
            payload, stream = stream[4 : max(length, 4)], stream[max(length, 4) :]
            if not length:
                in_pack = False
            elif not in_pack or payload[0] != 1:
                self.text.append(payload[in_pack:])
            in_pack = in_pack or payload.removesuffix(b"\n") == b"packfile"


@given(st.lists(st.none() | st.binary(min_size=1, max_size=99) | st.just(b"packfile\n")))
def test_whatever_a_container_sends_git_prints_no_control_character(
    payloads: list[bytes | None],
) -> None:
    """Either the stream is refused, or all of it that is not of a pack is harmless."""
    found = UploadPackFilter("isurus")
    passed = found.feed(packets(*ADVERTISED))
    try:
        passed += found.feed(packets(*payloads))
    except Refused:
        return
    assert all(harmless(text) == text for text in Session(passed).text)


@given(st.binary(), st.sampled_from([UploadPackFilter, ReceivePackFilter]), st.booleans())
def test_no_stream_of_bytes_causes_another_error(
    data: bytes, kind: type[UploadPackFilter | ReceivePackFilter], begun: bool
) -> None:
    found: PacketFilter = kind("isurus")
    if begun:
        is_upload = kind is UploadPackFilter
        found.feed(packets(*ADVERTISED) if is_upload else packets(OID + OFFERED, None))
    try:
        passed = found.feed(data)
    except Refused:
        return
    assert len(passed) <= len(data)


def test_text_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_packets, "MOST_TEXT", 2000)
    pack = (b"packfile\n", *[b"\1" + b"x" * 1000] * 99)
    assert upload(*pack) == packets(*pack), "a pack has no limit"
    for flood in ([b"\2" + b"x" * 99] * 20, [b"\3" + b"x" * 99] * 20):
        with pytest.raises(Refused, match="more than 2000 bytes of text"):
            upload(b"packfile\n", *flood)
    with pytest.raises(Refused, match="more than 2000 bytes of text"):
        upload(*[OID + b" refs/heads/x\n"] * 99)


# --- a fetch ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [
        packets(OID + b" HEAD\0multi_ack side-band-64k\n", None),
        packets(b"version 1\n", OID + b" HEAD\0multi_ack\n"),
        packets(b"version 20\n"),
        packets(b"version 2\n\n"),
        b"0000",
        b"0001",
    ],
)
def test_only_version_2_is_accepted_for_a_fetch(stream: bytes) -> None:
    with pytest.raises(Refused, match="does not speak version 2"):
        UploadPackFilter("isurus").feed(stream)


def test_what_leads_git_elsewhere_is_not_offered() -> None:
    offered = packets(
        *(b"version 2\n", b"agent=git/2\x1b[m\n", b"bundle-uri\n", b"session-id=x\n", b"new=x\n"),
        *(b"fetch=shallow sideband-all packfile-uris filter\n", b"server-option\n"),
        *(b"object-format=sha1\n", None),
    )
    assert UploadPackFilter("isurus").feed(offered) == packets(
        *(b"version 2\n", b"agent=git/2?[m\n", b"fetch=shallow filter\n", b"server-option\n"),
        *(b"object-format=sha1\n", None),
    )


def test_the_text_of_every_line_is_made_harmless() -> None:
    refs = (OID + b" refs/heads/a" + ESCAPES + b"\n", b"ERR " + ESCAPES, None)
    text = harmless(ESCAPES)
    assert upload(*refs) == packets(OID + b" refs/heads/a" + text + b"\n", b"ERR " + text, None)
    assert upload(b"a\nb\rc\n") == packets(b"a?b?c\n"), "one line break, at the end"


def test_an_error_in_place_of_the_first_answer() -> None:
    found = UploadPackFilter("isurus").feed(packets(b"ERR no such repo\x1b[m"))
    assert found == packets(b"ERR no such repo?[m")
    found = ReceivePackFilter("isurus").feed(packets(b"ERR no such repo\x1b[m"))
    assert found == packets(b"ERR no such repo?[m")


def test_a_pack_is_unchanged_and_the_text_beside_it_is_not() -> None:
    band = (b"packfile\n", b"\1" + ESCAPES, b"\2" + ESCAPES, b"\3" + ESCAPES, b"\1", None)
    text = harmless(ESCAPES)
    assert upload(*band, b"ready\n") == packets(
        *(b"packfile\n", b"\1" + ESCAPES, b"\2" + text, b"\3" + text, b"\1", None, b"ready\n")
    )


@pytest.mark.parametrize("stream", [b"0001", packets(b"\4x"), packets(b"\x1b[m"), packets(b"x")])
def test_a_packet_beside_a_pack_needs_a_band(stream: bytes) -> None:
    found = UploadPackFilter("isurus")
    found.feed(packets(*ADVERTISED, b"packfile\n"))
    with pytest.raises(Refused, match="a packet without a band"):
        found.feed(stream)


def test_a_line_that_becomes_one_that_begins_a_pack_does_not_exist() -> None:
    """git compares with what it was passed, up to a NUL."""
    assert upload(b"packfile\0x\n", b"\2\x1b\n") == packets(b"packfile?x\n", b"??\n")


def test_a_delimiter_separates_the_parts_of_an_answer() -> None:
    found = UploadPackFilter("isurus")
    found.feed(packets(*ADVERTISED))
    answer = packets(b"acknowledgments\n", b"ready\n") + b"0001" + packets(b"packfile\n", None)
    assert found.feed(answer) == answer


# --- a push -------------------------------------------------------------------------------


def test_only_known_capabilities_are_offered_for_a_push() -> None:
    offered = b" refs/heads/main\0report-status report-status-v2 delete-refs side-band-64k "
    offered += b"push-cert=nonce quiet atomic ofs-delta object-format=sha1 agent=git/2\x1b\n"
    found = ReceivePackFilter("isurus").feed(packets(OID + offered, OID + b" refs/tags/\x1b\n"))
    kept = b" refs/heads/main\0report-status delete-refs side-band-64k "
    kept += b"quiet atomic ofs-delta object-format=sha1 agent=git/2?\n"
    assert found == packets(OID + kept, OID + b" refs/tags/?\n")


def test_version_1_is_accepted_for_a_push() -> None:
    stream = packets(b"version 1\n", OID + OFFERED, None)
    assert ReceivePackFilter("isurus").feed(stream) == stream


@pytest.mark.parametrize(
    "stream",
    [
        packets(None),
        packets(OID + b" refs/heads/main\n"),
        packets(OID + b" refs/heads/main\0report-status\n"),
        packets(b"version 2\n"),
    ],
)
def test_a_push_needs_a_sideband(stream: bytes) -> None:
    with pytest.raises(Refused, match="offers no side-band-64k"):
        ReceivePackFilter("isurus").feed(stream)


def test_the_report_of_a_push_is_text_and_keeps_its_inner_packets() -> None:
    report = packets(b"unpack ok\n", b"ng refs/heads/x \x1b[2Jgone\n", None)
    told = harmless(report)
    assert told == report.replace(b"\x1b", b"?")
    assert receive(b"\2hook" + ESCAPES, b"\1" + report, None) == packets(
        b"\2hook" + harmless(ESCAPES), b"\1" + told, None
    )
    found = ReceivePackFilter("isurus")
    found.feed(packets(OID + OFFERED, None))
    with pytest.raises(Refused, match="a delimiter"):
        found.feed(b"0001")
    with pytest.raises(Refused, match="a packet without a band"):
        receive(report)


@pytest.mark.parametrize("size", [1, 20, 200])
def test_a_refused_push_of_the_branch_that_is_checked_out_is_noticed(size: int) -> None:
    report = packets(b"unpack ok\n", b"ng refs/heads/main branch is currently checked out\n", None)
    found = ReceivePackFilter("isurus")
    found.feed(packets(OID + OFFERED, None))
    assert not found.checked_out
    for at in range(0, len(report), size):
        found.feed(packets(b"\1" + report[at : at + size]))
    assert found.checked_out


# --- the real git -------------------------------------------------------------------------


def test_the_packets_of_the_real_git_pass_unchanged(tmp_path: Path) -> None:
    """Except for the capabilities that are left out."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    environ = {**os.environ, "GIT_PROTOCOL": "version=2"}
    asked = (
        packets(b"command=ls-refs\n", b"object-format=sha1") + b"0001" + packets(b"peel\n", None)
    )
    for service, given_, kind in (
        ("upload-pack", asked, UploadPackFilter),
        ("receive-pack", b"0000", ReceivePackFilter),
    ):
        argv = ["git", service, str(tmp_path)]
        env = environ if kind is UploadPackFilter else os.environ
        said = subprocess.run(argv, env=env, input=given_, stdout=subprocess.PIPE, check=True)
        passed = kind("isurus").feed(said.stdout)
        assert len(passed) > 100
        assert passed.endswith(said.stdout[-4:])
