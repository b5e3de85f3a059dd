"""The door for agents: the use cases as tools of the Model Context Protocol."""
