//! What somebody may do, and the roles that bundle it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::AccessError;

/// What a route or a protocol asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See the graph, runs, tests, incidents and who owns what; no rows.
    See,
    /// Read rows: SQL, previews, metrics, dashboards, features.
    Query,
    /// Change what the project says.
    Edit,
    /// Start, repeat and stop runs, jobs and syncs.
    Run,
    /// Add and remove users and tokens.
    Administer,
}

impl Permission {
    /// Every permission, least first.
    pub const ALL: &[Self] = &[Self::See, Self::Query, Self::Edit, Self::Run, Self::Administer];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Query => "query",
            Self::Edit => "edit",
            Self::Run => "run",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A bundle of permissions that a user or a token has; each is named after what it adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May see.
    See,
    /// May see and query.
    Query,
    /// May see, query and edit.
    Edit,
    /// May see, query and run.
    Run,
    /// May do everything.
    Administer,
}

impl Role {
    /// Every role, least first.
    pub const ALL: &[Self] = &[Self::See, Self::Query, Self::Edit, Self::Run, Self::Administer];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Query => "query",
            Self::Edit => "edit",
            Self::Run => "run",
            Self::Administer => "administer",
        }
    }

    /// What it permits.
    pub fn permissions(self) -> &'static [Permission] {
        match self {
            Self::See => &[Permission::See],
            Self::Query => &[Permission::See, Permission::Query],
            Self::Edit => &[Permission::See, Permission::Query, Permission::Edit],
            Self::Run => &[Permission::See, Permission::Query, Permission::Run],
            Self::Administer => Permission::ALL,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = AccessError;

    fn from_str(word: &str) -> Result<Self, AccessError> {
        let found = Self::ALL.iter().find(|role| role.as_str() == word);
        found.copied().ok_or_else(|| AccessError::UnknownRole { role: word.to_owned() })
    }
}

/// Somebody, as a door knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The user's name.
    pub name: String,
    /// The name of the token that was shown, if it was a token.
    pub token: Option<String>,
    /// What they may do.
    pub permissions: BTreeSet<Permission>,
}

impl Identity {
    /// The name of whoever sits at this machine, as long as there is no administrator.
    pub const LOCAL: &str = "local";

    /// Somebody with roles.
    pub fn new(name: impl Into<String>, roles: &[Role]) -> Self {
        let permissions = roles.iter().flat_map(|role| role.permissions()).copied().collect();
        Self { name: name.into(), token: None, permissions }
    }

    /// Whoever sits at this machine: may do everything while there is no administrator.
    pub fn local() -> Self {
        Self::new(Self::LOCAL, &[Role::Administer])
    }

    /// Whether they may do what a door asks for.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Whether it is whoever sits at this machine.
    pub fn is_local(&self) -> bool {
        self.name == Self::LOCAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_may_see_and_only_administrators_administer() {
        for role in Role::ALL {
            let somebody = Identity::new("ana", &[*role]);
            assert!(somebody.may(Permission::See), "{role}");
            assert_eq!(somebody.may(Permission::Administer), *role == Role::Administer);
            assert_eq!(role.as_str().parse::<Role>().unwrap(), *role);
        }
        let two = Identity::new("ana", &[Role::Edit, Role::Run]);
        assert!(two.may(Permission::Edit) && two.may(Permission::Run));
        assert!("root".parse::<Role>().is_err());
    }
}
