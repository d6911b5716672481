"""A slow wire between two network namespaces: `slow_wire.py NAMESPACE NAMESPACE BITS_PER_SECOND SECONDS` (root, Linux).

Each gets a device `slow`, 10.78.0.1 and 10.78.0.2. Packets are passed on at that rate, and so many seconds later, as
`tc netem` does where the kernel has it. Runs until it is killed.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
MTU = 9000
ADDRESSES = ("10.78.0.1", "10.78.0.2")
DEVICE = "slow"


def tunnel(namespace: str, address: str) -> int:
    """A device in a namespace, as a file of packets."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/var/run/netns/{namespace}") as there, open("/proc/self/ns/net") as here:  # noqa: PTH123
        libc.setns(there.fileno(), 0)
        file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
        libc.setns(here.fileno(), 0)
    for command in (
        f"addr add {address}/24 dev {DEVICE}",
        f"link set {DEVICE} mtu {MTU} txqueuelen 10000",
        f"link set {DEVICE} up",
    ):
        subprocess.run(["ip", "-n", namespace, *command.split()], check=True)
    return file


def relay(ends: tuple[int, int], rate: float, delay: float) -> None:
    """Pass packets on."""
    waiting: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in ends}
    free = dict.fromkeys(ends, 0.0)  # when the direction has sent what it was given
    while True:
        due = [queue[0][0] for queue in waiting.values() if queue]
        pause = max(min(due) - time.monotonic(), 0.0) if due else None
        ready, _, _ = select.select(ends, [], [], pause)
        for end in ready:
            packet = os.read(end, MTU + 100)
            free[end] = max(free[end], time.monotonic()) + 8 * len(packet) / rate
            waiting[end].append((free[end] + delay, packet))
        for end, other in (ends, ends[::-1]):
            while waiting[end] and waiting[end][0][0] <= time.monotonic():
                os.write(other, waiting[end].popleft()[1])


if __name__ == "__main__":
    first, second, bits, seconds = sys.argv[1:]
    files = tunnel(first, ADDRESSES[0]), tunnel(second, ADDRESSES[1])
    print("ready", flush=True)
    relay(files, float(bits), float(seconds))
