//! The notifiers. A notifier is one file and one word in the list below.
