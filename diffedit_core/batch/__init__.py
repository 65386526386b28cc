"""Many rows of a table, each worked on once: it may be stopped at any moment, and goes on from there.

Nothing here knows what a row asks for. Who works on it is a ``Worker``, and ``running`` puts everything together.
"""
