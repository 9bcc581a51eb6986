"""What runs found: statistics, tables, figures and a page."""
