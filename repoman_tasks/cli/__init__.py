"""Everything that bends invoke: how words are parsed, how tasks run, how a command ends."""
