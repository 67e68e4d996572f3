"""Contact plans as CSV, JSON, Parquet, tables, and the files of ION and HDTN."""
