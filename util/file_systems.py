"""Which file system a path lies on."""

import logging
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

_SQLITE = "sqlite:///"

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


def warn_of_network(setting: str, uri: str, server: str) -> None:
    """
    Say that SQLite may lose what several hosts write into one file over a network.

    :param setting: that names the database
    :param uri: of the database; nothing is said of others than SQLite's
    :param server: what would be right instead of a local file
    """
    if not uri.startswith(_SQLITE):
        return
    kind = network_file_system(Path(uri.removeprefix(_SQLITE)))
    if kind is not None:
        log.warning(
            "%s=%s lies on a network file system (%s), where SQLite's locks may fail; use a local "
            "file, or %s",
            setting,
            uri,
            kind,
            server,
        )
