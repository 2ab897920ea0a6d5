//! Who may do what: users, tokens, roles and the permissions that every door asks for.
//!
//! Identities are kept in the ledger; a password is never kept, only the SCRAM verifier that both
//! the PostgreSQL wire protocol and the web's log-in check against. Read `server` next.
