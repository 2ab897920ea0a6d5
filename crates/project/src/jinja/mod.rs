//! The Jinja engine. (Placeholder: filled by the engine itself.)
