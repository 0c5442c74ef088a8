"""For people who write scenarios: what there is, what one holds, first drafts, a repair by hand as a playbook."""
