"""Whether a port is free, and what to do if it is not."""

import errno
import socket

from interface.errors import UserError

_N_TRIED = 100


def is_free(host: str, port: int) -> bool:
    """
    Tell whether nobody listens to a port.

    :param host: to listen to
    :param port: to listen to
    :raises UserError: if we may not listen there, or there is no such host
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise UserError(
                f"cannot listen to host={host} port={port}: {error.strerror}; "
                f"host=127.0.0.1 and a port above 1023 can be used"
            ) from error
    return True


def taken(host: str, key: str, port: int) -> UserError:
    """
    Make the error for a port that another program listens to.

    :param host: to listen to
    :param key: of the config
    :param port: that is taken
    """
    others = range(port + 2, min(port + _N_TRIED, 65536))
    free = next((one for one in others if is_free(host, one)), "<another>")
    return UserError(f"{key}={port} is taken by another program; end it, or add {key}={free}")
