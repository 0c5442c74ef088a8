"""Run a playbook, get a typed result. Ansible stays in processes of its own."""
