"""What the middleware costs and what it saves, measured against targets.

``python -m benchmarks`` prints one table; ``python -m benchmarks stall``, or
``python benchmarks/stall.py``, a part of it. Each figure is a ratio or a count of one
run: what it is held against is measured beside it, on the same machine at the same
time. Crawls, servers and the measuring run in processes of their own, on loopback.

A benchmark reports. It fails where pages are lost, never where a target is missed.
"""
