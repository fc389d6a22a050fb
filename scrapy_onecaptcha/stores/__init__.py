"""Clearances, leases, budget and breaker that several processes and runs share."""
