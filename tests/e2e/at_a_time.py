"""The program on the terminal that is its standard input, at a given time: `python -m
tests.e2e.at_a_time SECONDS ARGUMENTS…`.

The clock goes on from there. The terminal becomes the process's own, so that Ctrl-C is a signal as
for a person.
"""

import fcntl
import os
import sys
import termios
import time

real, at = time.time, int(sys.argv[1])
shift = at - real()
os.statvfs = lambda path: os.statvfs_result(
    (4096, 4096, 25_000_000, 20_000_000, 20_000_000, 1, 1, 1, 0, 255)
)
time.time = lambda: real() + shift  # before the program is imported: it takes the clock at import
if os.isatty(0):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

from sauce_janitor.__main__ import main  # noqa: E402

main(sys.argv[2:])
