"""One adapter for each thing outside: its words, and what it says back."""
