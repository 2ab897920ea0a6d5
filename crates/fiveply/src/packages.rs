//! The packages that a project names: what `deps` pins in package-lock.yml and installs.

mod install;
mod lock;
mod spec;

pub(crate) use install::{Installer, Pinned, shown};
pub(crate) use lock::{hash_of, read_lock, write_lock};
pub(crate) use spec::{PackageSpec, Written, add_package, read_specs, read_yaml};
