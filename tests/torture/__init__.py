"""Runs killed, disks that fail, cuts anywhere: the long campaign is `python -m tests.torture`."""
