"""A disk of a node's own, whose power can be cut: ext4 on a loop device.

Rules: needs root. A cut is the file system's own shutdown without a flush of its journal: from then on every call gives
EIO, and after the next mount only what had been synced is there. Mounted with a long commit interval, and cut while it
is being written to, or the kernel's write-back would hide a missing sync. Whoever makes a disk removes it, whatever
happens in between.
"""

import fcntl
import os
import subprocess
import time
from pathlib import Path
from struct import pack

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
WITHOUT_FLUSH = 2  # of the journal
MEGABYTES = 96
COMMIT_S = 600
BUSY_S = 10.0
COMMAND_S = 60


class DiskTrouble(Exception):
    """The disk cannot be made or mounted; the text says what said so."""


class LoopDisk:
    """One file system in one image file."""

    def __init__(self, image: Path, mount_point: Path, megabytes: int = MEGABYTES) -> None:
        """Makes and mounts it. DiskTrouble."""
        self.image = image
        self.mount_point = mount_point
        mount_point.mkdir(mode=0o700)
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        self.mount()

    @property
    def filler(self) -> Path:
        return self.mount_point / "filler"

    @property
    def mounted(self) -> bool:
        return os.path.ismount(self.mount_point)

    def mount(self) -> None:
        _run("mount", "-o", f"loop,commit={COMMIT_S}", str(self.image), str(self.mount_point))

    def cut(self) -> None:
        """The power is gone."""
        fd = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, pack("I", WITHOUT_FLUSH))
        finally:
            os.close(fd)

    def dead(self) -> str:
        """What the disk answers to a write, when it is an error."""
        try:
            (self.mount_point / "probe").touch()
        except OSError as error:
            return os.strerror(error.errno or 0)
        return ""

    def unmount(self) -> None:
        """Waits until nobody uses it. DiskTrouble."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                return _run("umount", str(self.mount_point))
            except DiskTrouble:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def fill(self) -> int:
        """Takes all the space there is; the bytes that are left."""
        with self.filler.open("wb") as file:
            step = 16 << 20
            size = 0
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError:
                    step //= 2
        return self.free_bytes()

    def free_bytes(self) -> int:
        found = os.statvfs(self.mount_point)
        return found.f_bavail * found.f_frsize

    def drain(self) -> None:
        """Gives the space back."""
        self.filler.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmounts, if need be by force, and removes the image."""
        if self.mounted:
            try:
                self.unmount()
            except DiskTrouble:
                _run("umount", "--lazy", str(self.mount_point))
        self.image.unlink(missing_ok=True)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_S)
    except FileNotFoundError:
        raise DiskTrouble(f"there is no {command[0]}") from None
    if done.returncode:
        raise DiskTrouble(f"{command[0]}: {(done.stderr or 'failed').strip().splitlines()[-1]}")
