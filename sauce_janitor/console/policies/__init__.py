"""What the pages of policies show: the policies in words, their tests, and trial edits."""
