"""One module a model: each turns interactions into arrays of the ranking core."""
