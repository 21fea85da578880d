"""What the address of an MLflow store must look like."""

from urllib.parse import urlsplit

from interface.errors import UserError

_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_GOOD = "sqlite:///<path of a file>, postgresql://<user>@<host>/<database> or http://<host>:<port>"


def check_address(uri: str) -> None:
    """
    Refuse what can be no store, before anything is written or imported.

    :param uri: ``tracking.uri``
    :raises UserError: saying what would be right
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme in _SERVERS:
        reason = _fault_of_server(uri)
    elif scheme == "sqlite":
        is_file = uri.startswith("sqlite:///") and uri != "sqlite:///"
        reason = None if is_file else "it names no file"
    elif scheme in _DATABASES:
        reason = _fault_of_database(uri)
    elif scheme == "databricks":
        reason = None
    else:
        reason = "MLflow does not keep runs in folders or there any more"
    if reason is not None:
        raise UserError(f"cannot use tracking.uri={uri}: {reason}; what can be used: {_GOOD}")


def _fault_of_server(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError as error:
        return str(error)
    if not parts.hostname or not port_is_right or any(sign.isspace() for sign in uri):
        return "it names no server"
    return None


def _fault_of_database(uri: str) -> str | None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        return f"the Python package {error.name} that speaks to it is missing"
    except (ArgumentError, ValueError) as error:
        return str(error).splitlines()[0]
    return None
