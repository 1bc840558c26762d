"""Other task queues beside our sender, with OTHERS=1: each with its own settings for throughput, durable as ours is."""
