"""Whatever comes from outside: replies of the service, pages, settings, addresses.

Failures that these tests have found are kept beside them as cases.
"""
