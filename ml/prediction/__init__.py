"""What is sent to an endpoint, and what is known of it afterwards."""
