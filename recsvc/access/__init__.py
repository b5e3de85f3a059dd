"""Who may call: certificates, keys of services, tokens of shoppers, and the files they lie in."""
