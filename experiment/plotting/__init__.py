"""
Pictures of runs and searches.

``command`` tells the story: read runs, group them, reduce each group to a curve, draw, and write
the table beside it. Numbers are computed once and drawn twice, by matplotlib and by plotly.
"""
