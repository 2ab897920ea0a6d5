use base::SourceFile;

use super::read::read;
use super::*;
use crate::yaml;

fn read_text(text: &str) -> (Features, Vec<String>) {
    let file = SourceFile::new("features/churn.yml", text);
    let mut diagnostics = Vec::new();
    let value = yaml::read(&file, &mut diagnostics).unwrap();
    let features = read(&[(file, value)], &mut diagnostics);
    (features, diagnostics.into_iter().map(|problem| problem.message).collect())
}

#[test]
fn entities_views_and_services_are_read() {
    let (features, problems) = read_text(
        r"
entities: [{name: user, join_keys: [user_id]}]
feature_views:
  - name: churn
    entities: [user]
    source: ref('features')
    timestamp: day
    created_timestamp_column: made
    ttl: 7d
    features:
      events: int64
      revenue: {type: double, description: US dollars}
feature_services:
  - {name: all, features: [churn]}
  - {name: one, features: ['churn:revenue']}
",
    );
    assert_eq!(problems, [""; 0]);
    let view = features.view("churn").unwrap();
    assert_eq!(view.join_keys, ["user_id"]);
    assert_eq!(view.ttl, Some(Duration::from_hours(7 * 24)));
    assert_eq!(view.created_timestamp.as_deref(), Some("made"));
    assert_eq!(view.features[1].kind, FeatureType::Float64);
    assert_eq!(features.service("all").unwrap().features.len(), 2);
    assert_eq!(features.service("one").unwrap().features[0].1, "revenue");
}

#[test]
fn what_is_wrong_with_features_is_told_together() {
    let (features, problems) = read_text(
        r"
entities: [{name: user}]
feature_views:
  - name: churn
    entities: [users]
    source: ref('features')
    ttl: soon
    features: {events: integerish}
feature_services:
  - {name: all, features: [churn]}
",
    );
    assert!(features.views.is_empty());
    for expected in [
        "feature view \"churn\" names no entity with \"users\"",
        "feature view \"churn\" has no \"timestamp\"",
        "\"ttl\" of feature view \"churn\" is \"soon\"",
        "feature \"events\" has no type that is known",
        "feature service \"all\" asks for \"churn\", which is no feature",
    ] {
        assert!(problems.iter().any(|found| found == expected), "{expected}: {problems:#?}");
    }
}
