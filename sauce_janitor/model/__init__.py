"""The values that every part of the program speaks in: jobs, policies, permits. They touch no
network, disk, clock or database.
"""
