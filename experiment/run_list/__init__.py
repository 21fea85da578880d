"""
Which runs there are, what each is, and how one is deleted.

May import ``run_folder`` and ``tracking``; nothing of training.
"""
