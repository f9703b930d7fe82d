"""README's pictures, of real runs: python -m tests.pictures"""
