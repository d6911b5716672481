"""The zstd module that charnn reads with, for making what it reads."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

compress = zstd.compress
ZstdCompressor = zstd.ZstdCompressor
CompressionParameter = zstd.CompressionParameter
