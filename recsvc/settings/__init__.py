"""What can be set from outside: ``RECSVC_*`` variables, and the flags that go before them."""
