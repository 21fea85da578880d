"""
Environments and wrappers with the Gymnasium API, usable without the rest.

Importing this package registers its environments as ordinary Gymnasium ids, so that
``gymnasium.make("PointReach-v0")`` works in a notebook. What is registered is read from the YAMLs
in ``conf/env``: those that name an ``entry_point``.
"""

from envs.registration import register_environments

register_environments()
