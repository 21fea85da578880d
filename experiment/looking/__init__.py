"""
What people look at in a browser.

``command`` tells the story: find the page, start MLflow's own on its store, and beside it a server
for the pages of searches, which the sweeper writes as files. Nothing here is written but the view
of MLflow's table of runs.
"""
