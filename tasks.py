"""The namespace for `inv`; nothing else."""

from dev.chores import with_chores

namespace = with_chores()
