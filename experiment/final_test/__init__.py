"""Test an agent once more, on fresh episodes, with intervals."""
