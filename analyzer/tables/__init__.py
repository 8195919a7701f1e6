"""What was decoded, as pandas tables: columns declared once in `schema`, one builder a family of tables."""
