"""Many runs of a script, one after another or beside each other."""
