"""Passwords stay out of URLs, because URLs end up in configs, logs and lists of processes."""

import re

from interface.errors import UserError

# user:password@host, or a parameter such as ?password= or &sslpassword=
_PASSWORD = re.compile(r"://[^/?#]*:[^@]*@|[?&]\w*password=", re.IGNORECASE)


def refuse_password(key: str, url: str) -> None:
    """
    Refuse a URL that holds a password; the message does not repeat it.

    :param key: of the config, which has the URL as its value
    :param url: of a database or a server
    :raises UserError: that says where passwords belong
    """
    if _PASSWORD.search(url):
        raise UserError(
            f"{key} holds a password, which would end up in configs and logs; leave it out of the "
            f"URL and put it into PGPASSWORD or ~/.pgpass (of an MLflow server: into "
            f"MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)"
        )
