"""Whatever comes from outside: replies of the service, pages, settings, addresses.

What these tests have found stands beside them as a case of its own.
"""
