"""The tests of repoman; `estate` holds the throwaway estate that most of them use."""
