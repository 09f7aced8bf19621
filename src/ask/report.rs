//! Availability of a period: from a collector, or offline from a file.
