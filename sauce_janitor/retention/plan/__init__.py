"""Plans: what would be deleted, archived and pruned, what that costs, and which limits and
deadlines it meets.
"""
