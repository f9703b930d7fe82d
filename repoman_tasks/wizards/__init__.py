"""What a person is asked for, command by command: each fills arguments, and nothing else.

They look as the commands do, and change nothing. What they leave unset is as if nobody was there.
"""
