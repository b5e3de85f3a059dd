"""What crosses from training to serving.

- ``manifest``: what an artifact says about itself.
- ``format``: an artifact as a directory of plain arrays; no pickle, no training library.
- ``pointer``: which version is current.
- ``registry``: where versions live; the only module that knows a path or a URI.
"""
