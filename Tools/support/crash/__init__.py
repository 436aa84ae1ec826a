"""Kills and audits, for Tools/crash."""
