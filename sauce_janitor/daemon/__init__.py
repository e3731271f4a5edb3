"""The daemon: runs every account by its schedule, follows its configuration, and shows how things
stand.
"""
