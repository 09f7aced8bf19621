//! The one place where connections to targets begin: resolve once, vet, connect to the vetted address.
