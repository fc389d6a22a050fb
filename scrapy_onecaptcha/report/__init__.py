"""What the operator sees: a ledger of paid tasks, a report on it, alarms."""
