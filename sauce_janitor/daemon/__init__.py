"""The daemon: runs every account on its schedule, follows its configuration, and shows its
status.
"""
