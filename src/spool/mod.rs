//! The durable log of one shard; knows nothing of points.
