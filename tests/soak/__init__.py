"""Nothing breaks: everything a user can do, done at random and in great number. ``make soak`` runs all of it."""
