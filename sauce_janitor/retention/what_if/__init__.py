"""Answers to "what would happen": explanations, forecasts, simulations, comparisons and tests of
policies.
"""
