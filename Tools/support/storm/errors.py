class StormError(Exception):
    """What ends the report, in one line that says what to do."""
