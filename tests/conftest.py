"""Signals reach what is tested: background jobs are told to ignore Ctrl-C, those of nohup to ignore a hang-up."""

import signal

for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
