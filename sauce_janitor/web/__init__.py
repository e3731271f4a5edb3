"""What the program shows over HTTP: pages that only look, behind one guard, served within
limits.
"""
