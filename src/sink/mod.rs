//! Spool → store: batches, retries, the cursor.
