"""The HTTP edge, asked over real sockets."""
