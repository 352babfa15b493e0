"""Results of a sweep: leaderboard, export of a trial, confirmation over seeds, pictures."""
