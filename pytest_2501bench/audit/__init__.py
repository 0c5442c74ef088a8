"""What happened in stored runs, for people who were not there: a document that can be checked against the evidence."""
