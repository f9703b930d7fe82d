"""The namespace for `inv`; nothing else."""

from repoman_tasks.namespace import with_development

namespace = with_development()
