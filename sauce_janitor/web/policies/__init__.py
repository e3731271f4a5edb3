"""The pages of policies: what they say and match, and a playground for edits of them."""
