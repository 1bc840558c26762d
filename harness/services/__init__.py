"""The real PostgreSQL and Kafka that tests run on, started by the tests themselves."""
