"""Who holds a claim, and whether that process is known to be dead.

A lease alone decides when the holder lives on another machine. When it lived on this one, the kernel can say at once
that it is gone, and a run that follows a crash need not wait for the lease. The answer is "dead" only where it is
certain: same host, same boot, same process namespace (containers have their own), and no live process with that id
and start time.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_process() -> str:
    """The owner's name: host, boot, process namespace, process id and its start time, separated by slashes."""
    return "/".join((*_place(), str(os.getpid()), _started(os.getpid())))


def is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that certainly runs no more."""
    parts = owner.split("/")
    if len(parts) != 5 or "" in parts[1:] or tuple(parts[:3]) != _place() or not parts[3].isdigit():
        return False
    return _started(int(parts[3])) != parts[4]


def describe(owner: str) -> str:
    """The owner as a message names it."""
    parts = owner.split("/")
    return f"process {parts[3]} on {parts[0]}" if len(parts) == 5 else owner


def _place() -> tuple[str, str, str]:
    return socket.gethostname().replace("/", "-"), _read("/proc/sys/kernel/random/boot_id"), _namespace()


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(process: int) -> str:
    """Clock ticks after boot at which the process started; empty where there is none, or only a zombie."""
    after_name = _read(f"/proc/{process}/stat").rpartition(")")[2].split()  # the name may hold spaces
    if len(after_name) < 20 or after_name[0] in "ZX":
        return ""
    return after_name[19]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
