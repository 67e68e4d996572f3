"""What comes in (frameworks, files) and what goes out (tables, pictures, JSON)."""
