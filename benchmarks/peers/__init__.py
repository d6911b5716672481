"""What others would train on the same text: `python -m benchmarks.peers.NAME CORPUS --seconds S`."""
