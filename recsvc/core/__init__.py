"""Pure ranking: numpy and scipy in, numpy out; no I/O, no clock, no logging."""
