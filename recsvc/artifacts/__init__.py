"""What crosses from training to serving.

- ``manifest``: what an artifact says about itself.
- ``format``: an artifact as a directory of plain arrays; no pickle, no training library.
- ``versions``: those that were published; ``pointer_file``: which of them is current.
- ``registry``: both together, and what lies beside them; the door to all of this.
"""
