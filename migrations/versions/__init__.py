"""The house's lineage (branch `house`): ledgers, claims, and the pointer to what is published."""
