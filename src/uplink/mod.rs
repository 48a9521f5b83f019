//! Vehicle → spool: decode, map, line, lane.
