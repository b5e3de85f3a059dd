"""The offline trainer: purchases in, a published model out."""
