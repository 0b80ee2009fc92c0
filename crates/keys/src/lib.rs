//! Vaults and the life of keys.
