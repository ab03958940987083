"""The name of a process in its groups: kept over restarts, never given twice."""

import os
from pathlib import Path

import pytest

from tocsin.runtime.kafka.member_name import PROCESSES_MAX, MemberName, NoMemberName


def test_a_name_is_the_same_after_a_restart(tmp_path: Path) -> None:
    first = MemberName(tmp_path, "tocsin", "host-1")
    first.release()
    first.release()
    second = MemberName(tmp_path, "tocsin", "host-1")
    assert second.name == first.name
    assert second.name.startswith("tocsin-host-1-")
    second.release()


def test_two_processes_on_one_directory_have_two_names(tmp_path: Path) -> None:
    # flock belongs to the open file: a second one in this process is as good as another process.
    first, second = MemberName(tmp_path, "a", "h"), MemberName(tmp_path, "a", "h")
    assert (first.number, second.number) == (0, 1)
    assert first.name != second.name
    first.release()
    third = MemberName(tmp_path, "a", "h")
    assert third.name == first.name
    second.release()
    third.release()


def test_other_directories_and_hosts_have_other_names(tmp_path: Path) -> None:
    names = [MemberName(tmp_path / str(place), "a", host) for place, host in ((1, "h"), (2, "h"))]
    copied = MemberName(tmp_path / "3", "a", "h")
    copied.release()
    (tmp_path / "3" / "member-0").write_bytes((tmp_path / "1" / "member-0").read_bytes())
    elsewhere = MemberName(tmp_path / "3", "a", "other")
    assert len({one.name for one in (*names, elsewhere)}) == 3
    for one in (*names, elsewhere):
        one.release()


def test_odd_letters_and_lengths_make_a_name_that_kafka_takes(tmp_path: Path) -> None:
    member = MemberName(tmp_path, "tocsin", "höst/" + "x" * 300)
    assert len(member.name) <= 200
    assert set(member.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    member.release()


def test_a_damaged_file_gets_a_new_name(tmp_path: Path) -> None:
    (tmp_path / "member-0").write_bytes(b"\xff" * 100)
    member = MemberName(tmp_path, "a", "h")
    member.release()
    assert MemberName(tmp_path, "a", "h").name == member.name


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NoMemberName, match=r"set data_dir .* or kafka\.member"):
        MemberName(tmp_path / "file", "a", "h")


def test_there_is_an_end_of_names(tmp_path: Path) -> None:
    taken = [MemberName(tmp_path, "a", "h") for _ in range(PROCESSES_MAX)]
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NoMemberName, match="data_dir of their own"):
        MemberName(tmp_path, "a", "h")
    assert len(os.listdir("/proc/self/fd")) == before
    for one in taken:
        one.release()
