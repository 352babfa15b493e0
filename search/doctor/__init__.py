"""`doctor`: looks at this machine and at every node of a cluster, and says what is wrong and what helps."""
