"""Configs that are not files of ``conf/``: see ``plugin``."""
