"""What Tools/storm-report is made of: one storm of reconnects, several contenders, one report."""
