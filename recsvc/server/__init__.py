"""The gRPC door: servicers convert, call a use case, and convert back."""
