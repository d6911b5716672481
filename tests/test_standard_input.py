"""Standard input that another program made non-blocking: waited for, never cut."""

import subprocess
import sys
import time

READER = """
import os, sys
os.set_blocking(0, False)
from charnn.data.standard_input import standard_input
print("reading", flush=True)
sys.stdout.buffer.write(standard_input().read())
"""


def test_a_pipe_that_is_empty_for_now_is_not_at_its_end() -> None:
    reader = subprocess.Popen([sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert reader.stdin and reader.stdout
    assert reader.stdout.readline() == b"reading\n"
    for piece in (b"one ", b"two ", b"three"):
        time.sleep(0.05)  # if it is too short the test says less, and passes
        reader.stdin.write(piece)
        reader.stdin.flush()
    assert reader.communicate()[0] == b"one two three"
    assert reader.returncode == 0


def test_it_stays_open() -> None:
    script = "import os; from charnn.data.standard_input import standard_input as s; s().read(); os.fstat(0)"
    subprocess.run([sys.executable, "-c", script], input=b"text", check=True)
