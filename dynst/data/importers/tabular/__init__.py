"""From a delimited or Parquet file to named columns of cells."""
