//! What a user writes in `features/*.yml`: entities, feature views and feature services, in the
//! words that Feast's users know.
//!
//! ```yaml
//! # features/churn.yml
//! entities:
//!   - {name: user, join_keys: [user_id]}
//! feature_views:
//!   - name: churn_user_daily
//!     description: The last 28 days of a user
//!     owner: Data science
//!     entities: [user]
//!     source: ref('feature_churn_user_daily')
//!     timestamp: feature_date                 # when a value became true
//!     created_timestamp: built_at             # optional: breaks ties of equal timestamps
//!     ttl: 7d                                 # optional: how long a value may be used
//!     features:
//!       events_28d: int64                     # int32 | int64 | float | double | string | bool
//!       revenue_28d: {type: double, description: US dollars}      # | timestamp
//! feature_services:
//!   - name: churn_model
//!     features: [churn_user_daily, "other_view:one_feature"]
//! ```

mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base::{NodeId, SourceFile, Span};
use serde_json::Value as Json;

pub(crate) use read::read_all;

/// Everything that `features/` declares.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// What features describe.
    pub entities: Vec<Entity>,
    /// Features that come from one model.
    pub views: Vec<FeatureView>,
    /// Features that one model of a data scientist asks for.
    pub services: Vec<FeatureService>,
}

impl Features {
    /// The view of a name.
    pub fn view(&self, name: &str) -> Option<&FeatureView> {
        self.views.iter().find(|view| view.name == name)
    }

    /// The service of a name.
    pub fn service(&self, name: &str) -> Option<&FeatureService> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// What features describe: a user, an account.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// Columns that name one.
    pub join_keys: Vec<String>,
    /// What it is.
    pub description: String,
    /// Where it is written.
    pub span: Span,
}

/// Features that come from one model.
#[derive(Clone, Debug)]
pub struct FeatureView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Free notes of the user.
    pub meta: Json,
    /// Columns that name a row at one moment: the join keys of its entities.
    pub join_keys: Vec<String>,
    /// Where rows come from: `ref('x')` or `source('a', 'b')`, and where that is written.
    pub source: (String, Span),
    /// Column that says when a row became true.
    pub timestamp: String,
    /// Column that says when a row was made: of two rows of one moment the newer counts.
    pub created_timestamp: Option<String>,
    /// How long a row may be used; none for ever.
    pub ttl: Option<Duration>,
    /// Whether it is served online.
    pub online: bool,
    /// The features, in order.
    pub features: Vec<Feature>,
    /// The file it was read from.
    pub file: Arc<SourceFile>,
    /// Where it is written.
    pub span: Span,
}

impl FeatureView {
    /// Its node in the graph: `feature_view.shop.churn_user_daily`.
    pub fn node_id(&self, project: &str) -> NodeId {
        NodeId::new(format!("feature_view.{project}.{}", self.name))
    }
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name: the column of the model.
    pub name: String,
    /// Its type.
    pub kind: FeatureType,
    /// What it is.
    pub description: String,
}

/// The type of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureType {
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// 32-bit floating point.
    Float32,
    /// 64-bit floating point.
    Float64,
    /// Text.
    String,
    /// True or false.
    Bool,
    /// Moment in time.
    Timestamp,
}

impl FeatureType {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float",
            Self::Float64 => "double",
            Self::String => "string",
            Self::Bool => "bool",
            Self::Timestamp => "timestamp",
        }
    }
}

/// Features that one model of a data scientist asks for.
#[derive(Clone, Debug)]
pub struct FeatureService {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// View and feature, in order.
    pub features: Vec<(String, String)>,
    /// Where it is written.
    pub span: Span,
}
