"""The life of a gated request: from the gate to the page that was asked for."""
