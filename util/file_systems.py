"""Which file system a path lies on."""

from pathlib import Path

import psutil

_NETWORK = ("nfs", "cifs", "smb", "9p", "lustre", "beegfs", "gpfs", "ceph", "afs", "fuse.sshfs")


def network_file_system(path: Path) -> str | None:
    """
    Name the network file system that a path lies on, where locks of files may not be trusted.

    :param path: of a file or folder, which need not exist
    :return: its type, None if it is local
    """
    resolved = path.absolute().resolve()
    mounts = [
        one for one in psutil.disk_partitions(all=True) if resolved.is_relative_to(one.mountpoint)
    ]
    if not mounts:
        return None
    kind = max(mounts, key=lambda one: len(one.mountpoint)).fstype
    return kind if kind.startswith(_NETWORK) else None
