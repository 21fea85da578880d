"""Passwords stay out of URLs, because URLs end up in configs, logs and lists of processes."""

import re

from interface.errors import UserError

# user:password@host, a long token@host, or a parameter such as ?password= or &sslpassword=
_IN_URL = re.compile(
    r"""://[^/?#\s'"]*:(?!\d{1,5}[/?#])[^@\s'"]+@|https?://[^/?#@:\s'"]{20,}@"""
    r"""|[?&][\w-]*(?:password|passwd|pwd|token|secret|api_?key)=[^&\s'"]""",
    re.IGNORECASE,
)
# in code, in a shell, and in YAML; or the first line of a private key
_WRITTEN_DOWN = re.compile(
    r"""(?:passw(?:or)?d|secret|token|(?:api|access)_?key)["']?\s*[:=]\s*["'][^"'\s{$]{8,}["']"""
    r"""|(?-i:PASSWORD|SECRET|TOKEN|_KEY)=[^\s"'$]{8,}"""
    r"""|^\s*[\w-]*(?:password|secret|token|api_?key):\s+[^\s"'$#{(,]{8,}\s*$"""
    r"""|PRIVATE KEY-----""",
    re.IGNORECASE | re.MULTILINE,
)


def refuse_password(key: str, url: str) -> None:
    """
    Refuse a URL that holds a password; the message does not repeat it.

    :param key: of the config, which has the URL as its value
    :param url: of a database or a server
    :raises UserError: that says where passwords belong
    """
    if _IN_URL.search(url):
        raise UserError(
            f"{key} holds a password, which would end up in configs and logs; leave it out of the "
            f"URL and put it into PGPASSWORD or ~/.pgpass (of an MLflow server: into "
            f"MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)"
        )


def looks_secret(text: str) -> bool:
    """
    Tell whether somebody seems to have written a password or a key into a file.

    :param text: of the file
    """
    return _IN_URL.search(text) is not None or _WRITTEN_DOWN.search(text) is not None
