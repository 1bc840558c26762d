"""`make soak MINUTES=10`: a steady mix while everything is killed, stopped and restarted at random; then the books."""
