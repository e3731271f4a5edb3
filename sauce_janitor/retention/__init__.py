"""Decides what happens to each job. It reads no network, disk, clock or database: values in, values
out.
"""
